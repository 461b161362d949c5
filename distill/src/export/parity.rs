//! The proof that a graph computes what libtorch computes: logits and greedy completions on real prompts.

use pupil_models::bundle::Parity;
use pupil_runtime::{Engine, RationaleExhausted, Request, RequestBuilder};

use super::ExportError;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::student::ReferenceStudent;

/// Largest accepted absolute difference of a float32 logit (row R19 of the reliability plan): both sides add the same
/// products in another order, which costs a few units in the last place of logits of size 10 to 100.
pub const MAX_LOGIT_DIFFERENCE: f32 = 1e-4;

/// Compares `engine` with `reference` on the prompts of `questions`.
///
/// The engine completes each prompt greedily, with its key-value cache, token by token. libtorch then computes the logits
/// of prompt and completion in one pass without a cache. If its most likely token at every position of the completion is
/// the one that the engine wrote, libtorch's own greedy completion is the same, by induction over the positions.
///
/// # Errors
/// A forward pass fails, or there is no question; a difference is a result, not an error.
pub fn compare(
    engine: &mut Engine,
    reference: &ReferenceStudent,
    questions: &[String],
    interrupt: &Interrupt,
) -> Result<Parity, ExportError> {
    if questions.is_empty() {
        return Err(ExportError::NoQuestions);
    }
    let mut parity =
        Parity { prompts: questions.len(), positions: 0, max_logit_difference: 0.0, equal_greedy_completions: 0 };
    let bar = Progress::new("parity", "prompts", questions.len() as u64, 0);
    for question in questions {
        if interrupt.is_requested() {
            return Err(ExportError::Interrupted);
        }
        let compared = compare_one(engine, reference, question)?;
        parity.positions += compared.positions;
        parity.max_logit_difference = larger(parity.max_logit_difference, compared.max_logit_difference);
        parity.equal_greedy_completions += usize::from(compared.greedy_is_equal);
        bar.advance();
    }
    bar.finish();
    Ok(parity)
}

/// Refuses a comparison outside the tolerance of float32.
///
/// # Errors
/// [`ExportError::Parity`] with both numbers.
pub fn require_float32(parity: &Parity) -> Result<(), ExportError> {
    let logits_agree = parity.max_logit_difference <= MAX_LOGIT_DIFFERENCE;
    if logits_agree && parity.equal_greedy_completions == parity.prompts {
        return Ok(());
    }
    Err(ExportError::Parity {
        expected: format!(
            "logits within {MAX_LOGIT_DIFFERENCE:e} and {} of {} greedy completions equal",
            parity.prompts, parity.prompts
        ),
        found: format!(
            "a difference of {:e} and {} equal",
            parity.max_logit_difference, parity.equal_greedy_completions
        ),
    })
}

struct Compared {
    positions: usize,
    max_logit_difference: f32,
    greedy_is_equal: bool,
}

fn compare_one(engine: &mut Engine, reference: &ReferenceStudent, question: &str) -> Result<Compared, ExportError> {
    let failed = |source| ExportError::Generate { question: question.to_owned(), source };
    let prompt = engine.contract().prompt(question);
    let mut ids = engine.tokenizer().encode(&prompt).map_err(pupil_models::bundle::BundleError::from)?;
    let prompt_tokens = ids.len();
    ids.extend(greedy_completion(engine, question).map_err(failed)?);
    let vocab_size = engine.config().vocab_size;
    let exported = engine.logits(&ids).map_err(failed)?;
    let expected = reference.logits(&ids)?;
    let difference = |(left, right): (&f32, &f32)| (left - right).abs();
    let max_logit_difference = exported.iter().zip(&expected).map(difference).fold(0.0, larger);
    let greedy_is_equal = (prompt_tokens..ids.len()).all(|position| {
        let row = &expected[(position - 1) * vocab_size..position * vocab_size];
        argmax(row) == ids[position]
    });
    Ok(Compared { positions: ids.len(), max_logit_difference, greedy_is_equal })
}

fn greedy_completion(engine: &mut Engine, question: &str) -> Result<Vec<u32>, pupil_runtime::GenerateError> {
    // Truncated, not forced: a forced answer marker is no greedy choice.
    let request: Request =
        RequestBuilder::default().on_rationale_exhausted(RationaleExhausted::Truncate).build().unwrap_or_default();
    let mut generation = engine.stream(question, &request)?;
    for event in generation.by_ref() {
        event?;
    }
    Ok(generation.token_ids().clone())
}

/// The larger number; a NaN counts as the largest, so that it cannot hide behind a number as it does in `f32::max`.
fn larger(left: f32, right: f32) -> f32 {
    if left.is_nan() || left > right { left } else { right }
}

/// Index of the largest logit, the first of equals, as in the runtime.
fn argmax(row: &[f32]) -> u32 {
    let mut best = 0;
    for (index, &logit) in row.iter().enumerate() {
        if logit > row[best] {
            best = index;
        }
    }
    best as u32
}
