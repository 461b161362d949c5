//! The real path: a graph in ONNX Runtime with the cache bound in place.

use pupil_models::bundle::Bundle;
use pupil_runtime::backend::onnx::OnnxBackend;
use pupil_runtime::backend::{Backend, BackendError, KeyValueCache};
use pupil_runtime::{Engine, EngineOptions, Event, RationaleExhausted, Request, TokenId};

use crate::support::fixture;

/// Sums in another order round differently; logits of the smallest bundle are of the order of 1.
const TOLERANCE: f32 = 1e-4;

fn backend() -> Option<(OnnxBackend, usize)> {
    let bundle = Bundle::open(fixture()?).unwrap();
    let vocab_size = bundle.config().vocab_size;
    Some((OnnxBackend::load(&bundle, &EngineOptions::default()).unwrap(), vocab_size))
}

fn tokens(count: usize, vocab_size: usize) -> Vec<TokenId> {
    (0..count).map(|index| ((index * 7919 + 13) % vocab_size) as TokenId).collect()
}

fn assert_near(left: &[f32], right: &[f32]) {
    assert_eq!(left.len(), right.len());
    let difference = left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max);
    assert!(difference <= TOLERANCE, "largest difference {difference}");
}

#[test]
fn prefill_equals_single_steps_and_parts() {
    let Some((mut backend, vocab_size)) = backend() else { return };
    let tokens = tokens(40, vocab_size);
    let mut cache = backend.cache(64).unwrap();
    let whole = backend.forward(&tokens, &mut cache, 40).unwrap().to_vec();
    assert_eq!(whole.len(), 40 * vocab_size);
    for part in [1, 7] {
        cache.truncate(0);
        let mut parts = Vec::new();
        for chunk in tokens.chunks(part) {
            parts.extend_from_slice(backend.forward(chunk, &mut cache, chunk.len()).unwrap());
        }
        assert_near(&whole, &parts);
    }
    cache.truncate(0);
    let last = backend.forward(&tokens, &mut cache, 1).unwrap();
    assert_near(&whole[39 * vocab_size..], last);
}

#[test]
fn caches_are_independent() {
    let Some((mut backend, vocab_size)) = backend() else { return };
    let tokens = tokens(12, vocab_size);
    let mut alone = backend.cache(16).unwrap();
    backend.forward(&tokens[..6], &mut alone, 1).unwrap();
    let expected = backend.forward(&tokens[6..], &mut alone, 6).unwrap().to_vec();

    let (mut first, mut second) = (backend.cache(16).unwrap(), backend.cache(32).unwrap());
    backend.forward(&tokens[..6], &mut first, 1).unwrap();
    backend.forward(&tokens[3..], &mut second, 9).unwrap();
    assert_near(&expected, backend.forward(&tokens[6..], &mut first, 6).unwrap());
}

#[test]
fn a_full_cache_refuses_and_stays_as_it_was() {
    let Some((mut backend, vocab_size)) = backend() else { return };
    let tokens = tokens(9, vocab_size);
    let mut cache = backend.cache(8).unwrap();
    backend.forward(&tokens[..8], &mut cache, 1).unwrap();
    let full = backend.forward(&tokens[8..], &mut cache, 1).unwrap_err();
    assert_eq!(full, BackendError::Capacity { capacity_tokens: 8, found: 9 });
    assert_eq!(cache.length_tokens(), 8);
}

#[test]
fn prepacking_changes_nothing_but_speed() {
    let Some(folder) = fixture() else { return };
    let bundle = Bundle::open(folder).unwrap();
    let mut rows = [false, true].map(|prepacking| {
        let mut engine =
            Engine::open_with(&bundle, &EngineOptions { prepacking: Some(prepacking), ..EngineOptions::default() })
                .unwrap();
        engine.logits(&tokens(20, bundle.config().vocab_size)).unwrap()
    });
    let [mapped, packed] = &mut rows;
    assert_near(mapped, packed);
}

#[test]
fn the_next_question_is_answered_as_by_a_fresh_engine() {
    let Some(folder) = fixture() else { return };
    let ask = |engine: &mut Engine, question: &str| {
        let mut solution = engine.solve(question, &Request::default()).unwrap();
        solution.timings = pupil_runtime::Timings::default();
        solution.steps.iter_mut().for_each(|step| step.elapsed = std::time::Duration::ZERO);
        solution
    };
    let mut fresh = Engine::open(&folder).unwrap();
    let expected = ask(&mut fresh, "second?");
    let mut used = Engine::open(&folder).unwrap();
    ask(&mut used, "a first question that is longer than the second");
    let mut abandoned = used.stream("third?", &Request::default()).unwrap();
    assert!(matches!(abandoned.next(), Some(Ok(Event::Prefilled { .. }))));
    drop(abandoned);
    assert_eq!(ask(&mut used, "second?"), expected);
}

#[test]
fn the_stream_is_the_argmax_of_the_logits() {
    let Some(folder) = fixture() else { return };
    let mut engine = Engine::open(&folder).unwrap();
    let question = "what?";
    let prompt = engine.tokenizer().encode(&engine.contract().prompt(question)).unwrap();
    // A forced answer marker would be no choice of the student.
    let request = Request::builder().on_rationale_exhausted(RationaleExhausted::Truncate).build().unwrap();
    let mut generation = engine.stream(question, &request).unwrap();
    while generation.token_ids().len() < 8 {
        if !matches!(generation.next(), Some(Ok(_))) {
            break;
        }
    }
    let written = generation.token_ids();
    drop(generation);
    let seen = [prompt.clone(), written.clone()].concat();
    let logits = engine.logits(&seen).unwrap();
    let vocab_size = engine.config().vocab_size;
    for (index, &token) in written.iter().enumerate() {
        let row = &logits[(prompt.len() + index - 1) * vocab_size..][..vocab_size];
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert!(row[token as usize] >= most - TOLERANCE, "token {index}");
    }
}

#[test]
fn an_engine_can_be_moved_to_another_thread() {
    let Some(folder) = fixture() else { return };
    let mut engine = Engine::open(&folder).unwrap();
    let here = engine.logits(&[1, 2, 3]).unwrap();
    let there = std::thread::spawn(move || engine.logits(&[1, 2, 3]).unwrap()).join().unwrap();
    assert_eq!(here, there);
}
