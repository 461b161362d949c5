//! Devices other than the CPU: what can be tested without one.

use pupil_models::bundle::Bundle;
use pupil_runtime::backend::onnx::OnnxBackend;
use pupil_runtime::backend::{Backend, KeyValueCache};
use pupil_runtime::{CacheType, Engine, EngineOptions, TokenId};

use crate::support::{fixture, portable_fixture};

/// Relative error of logits where sums are added up in another order, or the cache rounds to 11 bits.
const ROUNDING: f32 = 1e-2;

fn tokens(count: usize, vocab_size: usize) -> Vec<TokenId> {
    (0..count).map(|index| ((index * 7919 + 13) % vocab_size) as TokenId).collect()
}

fn assert_near(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>();
    let difference = squares(&mut found.iter().zip(expected).map(|(found, expected)| found - expected));
    let error = (difference / squares(&mut expected.iter().copied())).sqrt();
    assert!(error <= tolerance, "{what}: relative error {error}");
}

/// What a backend computes of the same tokens: at once, one after the other after a prefix, and in a row that was forked.
pub(crate) fn assert_all_ways_give(backend: &mut OnnxBackend, expected: &[f32], tolerance: f32) {
    const PREFIX: usize = 17;
    let vocab_size = backend.vocab_size();
    let tokens = tokens(expected.len() / vocab_size, vocab_size);
    let mut cache = backend.cache(64).unwrap();
    let whole = backend.forward(&tokens, &mut cache, tokens.len()).unwrap();
    assert_near(whole, expected, tolerance, "at once");
    cache.truncate(0);
    backend.forward(&tokens[..PREFIX], &mut cache, 1).unwrap();
    // Rows of another capacity than the cache, and one that held something else before.
    let mut rows = backend.rows(3, 90).unwrap();
    backend.step_rows(&[1, 2, 3], &mut rows).unwrap();
    backend.fork(&cache, &mut rows, 1).unwrap();
    backend.fork(&cache, &mut rows, 2).unwrap();
    for (position, &token) in tokens.iter().enumerate().skip(PREFIX) {
        let expected = &expected[position * vocab_size..][..vocab_size];
        assert_near(backend.forward(&[token], &mut cache, 1).unwrap(), expected, tolerance, "one after the other");
        let logits = backend.step_rows(&[4, token, token], &mut rows).unwrap();
        assert_near(&logits[vocab_size..2 * vocab_size], expected, tolerance, "in a forked row");
        assert_near(&logits[2 * vocab_size..], expected, tolerance, "in the last row");
    }
}

/// What the CPU computes of 40 tokens.
pub(crate) fn logits(bundle: &Bundle) -> Vec<f32> {
    let mut engine = Engine::open_with(bundle, &EngineOptions::default()).unwrap();
    engine.logits(&tokens(40, bundle.config().vocab_size)).unwrap()
}

#[test]
fn a_portable_bundle_has_a_float16_cache() {
    let Some(folder) = portable_fixture() else { return };
    let bundle = Bundle::open(&folder).unwrap();
    let mut backend = OnnxBackend::load(&bundle, &EngineOptions::default()).unwrap();
    assert_eq!(backend.execution().cache, CacheType::Float16);
    let config = bundle.config();
    assert_eq!(backend.cache_bytes(1, 64), 2 * config.layers * config.kv_heads * 64 * config.head_dim * 2);
    assert_all_ways_give(&mut backend, &logits(&bundle), ROUNDING);
}

#[test]
fn what_is_done_for_the_memory_of_a_device_computes_the_same() {
    for folder in [portable_fixture(), fixture()].into_iter().flatten() {
        let bundle = Bundle::open(&folder).unwrap();
        let mut backend = OnnxBackend::load(&bundle, &EngineOptions::default()).unwrap();
        let expected = logits(&bundle);
        backend.treat_memory_as_remote();
        assert_all_ways_give(&mut backend, &expected, ROUNDING);
    }
}
