//! A student made of a script, and the smallest real bundle.

use std::path::PathBuf;

use pupil_models::answer::{AnswerKind, Grader};
use pupil_models::config::StudentConfig;
use pupil_models::contract::{Budgets, CONTRACT_VERSION, ReasoningContract, StepRule};
use pupil_models::tokenizer::Tokenizer;
use pupil_runtime::backend::scripted::ScriptedBackend;
use pupil_runtime::{Engine, Event, Solution, TokenId};

/// The end token of the scripted student; the bytes are the tokens below it.
pub(crate) const END: TokenId = 256;
/// Tokens of the scripted student.
pub(crate) const VOCAB: usize = 257;
/// What every question is prompted with.
pub(crate) const PROMPT_END: &str = "\nA:";

/// One token per byte, so that every character can be cut, and an end token.
pub(crate) fn byte_tokenizer() -> Tokenizer {
    // The printable stand-ins of byte-level tokenizers: printable bytes stand for themselves, the others follow from U+0100.
    let printable = |byte: u32| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut next = 0x100;
    let vocab: serde_json::Map<String, serde_json::Value> = (0..256u32)
        .map(|byte| {
            let symbol = if printable(byte) {
                byte
            } else {
                next += 1;
                next - 1
            };
            (char::from_u32(symbol).unwrap().to_string(), byte.into())
        })
        .collect();
    let level =
        serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let end = serde_json::json!({"id": END, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true});
    let file = serde_json::json!({
        "version": "1.0", "added_tokens": [end], "normalizer": null, "post_processor": null,
        "pre_tokenizer": level, "decoder": level, "model": {"type": "BPE", "vocab": vocab, "merges": []},
    });
    Tokenizer::from_bytes(file.to_string().as_bytes()).unwrap()
}

/// A contract with ample budgets.
pub(crate) fn contract() -> ReasoningContract {
    ReasoningContract {
        version: CONTRACT_VERSION,
        prompt: format!("Q: {{question}}{PROMPT_END}"),
        answer_marker: Some("\nThe answer is ".to_owned()),
        step_rule: StepRule::Line,
        answer: AnswerKind::Text,
        grader: Grader::Robust,
        budgets: Budgets { rationale_tokens: 600, answer_tokens: 40 },
        stops: vec!["\nQ:".to_owned()],
    }
}

/// A student that sees `context` tokens.
pub(crate) fn config(context: usize) -> StudentConfig {
    let text = serde_json::json!({"model_type": "llama", "vocab_size": VOCAB, "hidden_size": 8, "intermediate_size": 8,
        "num_hidden_layers": 1, "num_attention_heads": 1, "max_position_embeddings": context, "rms_norm_eps": 1e-5,
        "eos_token_id": END});
    StudentConfig::from_json(&text.to_string()).unwrap()
}

/// Logits that make `token` certain to be chosen greedily.
pub(crate) fn certain(token: TokenId) -> Vec<f32> {
    let mut logits = vec![0.0; VOCAB];
    logits[token as usize] = 20.0;
    logits
}

/// The completion so far, given everything that the student has seen; empty while it reads the prompt.
pub(crate) fn completion(seen: &[TokenId]) -> &[TokenId] {
    let prompt_end = PROMPT_END.as_bytes();
    let ends = |window: &[TokenId]| window.iter().zip(prompt_end).all(|(&id, &byte)| id == TokenId::from(byte));
    let start = seen.windows(prompt_end.len()).position(ends);
    start.map_or(&[], |start| &seen[start + prompt_end.len()..])
}

/// A student whose next token follows from its completion so far.
pub(crate) fn student(
    contract: ReasoningContract,
    context: usize,
    next: impl Fn(&[TokenId]) -> TokenId + Send + 'static,
) -> Engine<ScriptedBackend> {
    let backend = ScriptedBackend::new(VOCAB, move |seen| certain(next(completion(seen))));
    Engine::with_backend(config(context), contract, byte_tokenizer(), backend)
}

/// A student that always writes `text` and then ends.
pub(crate) fn writes(contract: ReasoningContract, text: &str) -> Engine<ScriptedBackend> {
    let bytes = text.as_bytes().to_vec();
    student(contract, 4096, move |done| bytes.get(done.len()).map_or(END, |&byte| byte.into()))
}

/// All events of a generation, and the solution in the last.
pub(crate) fn run(engine: &mut Engine<ScriptedBackend>, request: &pupil_runtime::Request) -> (Vec<Event>, Solution) {
    let events: Vec<Event> = engine.stream("1 + 1?", request).unwrap().map(Result::unwrap).collect();
    let Some(Event::Finished(solution)) = events.last().cloned() else { panic!("no end: {events:?}") };
    (events, solution)
}

/// The text events, joined.
pub(crate) fn text_of(events: &[Event]) -> String {
    events
        .iter()
        .filter_map(|event| if let Event::Text { text } = event { Some(text.as_str()) } else { None })
        .collect()
}

/// The smallest real bundle, or `None`, with the reason printed, where it or ONNX Runtime is absent.
pub(crate) fn fixture() -> Option<PathBuf> {
    let folder = std::env::var_os("PUPIL_FIXTURE")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/fixtures/tiny"), PathBuf::from);
    if !folder.join("pupil.json").is_file() {
        skip(&format!("no bundle at `{}`", folder.display()));
        return None;
    }
    if let Err(error) = pupil_runtime::backend::onnx::find_library() {
        skip(&error.to_string());
        return None;
    }
    Some(folder)
}

/// The same in four bits for other runtimes, beside it.
pub(crate) fn portable_fixture() -> Option<PathBuf> {
    fixture().map(|folder| folder.with_file_name("tiny-portable"))
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}
