//! The parity ladder over scripted students: every number of a rung against what was scripted, and the rule of the gate.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support_runtime/mod.rs"]
mod support;

mod gate;
mod rungs;

use std::ops::Range;

use pupil_distill::dataset::Example;
use pupil_distill::export::ExportError;
use pupil_distill::export::parity::Reference;
use pupil_models::answer::AnswerKind;
use pupil_models::contract::ReasoningContract;
use pupil_runtime::Engine;
use pupil_runtime::backend::scripted::ScriptedBackend;
use support::{END, PROMPT_END, VOCAB, byte_tokenizer, completion, config};

/// What a student writes about a question, and how sure it is of every token.
#[derive(Clone, Copy, Debug)]
struct Script {
    writes: fn(&str) -> String,
    certainty: f32,
}

impl Script {
    /// Logits after `seen`: 0 for every token but the next, whose logit is the certainty.
    fn logits(self, seen: &[u32]) -> Vec<f32> {
        let bytes: Vec<u8> = seen.iter().map(|&id| id as u8).collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let question =
            text.strip_prefix("Q: ").and_then(|text| text.split_once(PROMPT_END)).map_or("", |(text, _)| text);
        let next = (self.writes)(question).as_bytes().get(completion(seen).len()).map_or(END, |&byte| byte.into());
        let mut logits = vec![0.0; VOCAB];
        logits[next as usize] = self.certainty;
        logits
    }

    fn engine(self) -> Engine<ScriptedBackend> {
        let backend = ScriptedBackend::new(VOCAB, move |seen| self.logits(seen));
        Engine::with_backend(config(4096), contract(), byte_tokenizer(), backend)
    }
}

impl Reference for Script {
    type States = Vec<u32>;

    fn states(&self, ids: &[u32]) -> Result<Vec<u32>, ExportError> {
        Ok(ids.to_vec())
    }

    fn logits(&self, ids: &Vec<u32>, positions: Range<usize>) -> Result<Vec<f32>, ExportError> {
        Ok(positions.flat_map(|position| Script::logits(*self, &ids[..=position])).collect())
    }
}

fn contract() -> ReasoningContract {
    ReasoningContract { answer: AnswerKind::Text, ..support::contract() }
}

/// A rationale of one step, and the answer.
fn completion_of(rationale: &str, answer: &str) -> String {
    format!(" {rationale}\nThe answer is {answer}")
}

/// The student as it was trained: it repeats the question's number.
const TRAINED: Script = Script { writes: |number| completion_of("I repeat.", number), certainty: 16.0 };

fn questions(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// Questions of which the trained student answers nine in ten right.
fn examples(count: usize) -> Vec<Example> {
    let gold = |number: usize| if number.is_multiple_of(10) { "nobody knows".to_owned() } else { number.to_string() };
    (0..count).map(|number| Example::new("numbers", &number.to_string(), number.to_string(), gold(number))).collect()
}
