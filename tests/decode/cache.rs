//! The types of a key-value cache: what each changes, and what none may change.

use std::num::NonZeroUsize;
use std::path::Path;

use pupil_models::bundle::Bundle;
use pupil_runtime::backend::onnx::OnnxBackend;
use pupil_runtime::backend::{Backend, KeyValueCache};
use pupil_runtime::{
    Ballot, CacheType, Engine, EngineOptions, Question, RationaleExhausted, Request, Solution, TokenId,
};

use crate::support::fixture;

/// The shipped student, if ONNX Runtime and the fixtures are there.
fn shipped() -> Option<Bundle> {
    fixture()?;
    Some(Bundle::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic")).unwrap())
}

fn options(cache: CacheType) -> EngineOptions {
    EngineOptions { cache: Some(cache), untuned: true, ..EngineOptions::default() }
}

fn engine(bundle: &Bundle, cache: CacheType) -> Engine {
    Engine::open_with(bundle, &options(cache)).unwrap()
}

fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

fn tokens(count: usize, vocab_size: usize) -> Vec<TokenId> {
    (0..count).map(|index| ((index * 7919 + 13) % vocab_size) as TokenId).collect()
}

fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

#[test]
fn reading_at_once_in_parts_and_in_a_forked_row_is_the_same() {
    let Some(bundle) = shipped() else { return };
    for cache_type in CacheType::ALL {
        let mut backend = OnnxBackend::load(&bundle, &options(cache_type)).unwrap();
        let vocab_size = backend.vocab_size();
        let tokens = tokens(50, vocab_size);
        let mut cache = backend.cache(50).unwrap();
        let whole = backend.forward(&tokens, &mut cache, 50).unwrap().to_vec();
        for part in [1, 7] {
            cache.truncate(0);
            let parts: Vec<f32> = tokens
                .chunks(part)
                .flat_map(|chunk| backend.forward(chunk, &mut cache, chunk.len()).unwrap().to_vec())
                .collect();
            // Attention adds up in the order of positions, whoever asks: the very same numbers.
            assert!(largest_difference(&whole, &parts) < 1e-4, "{cache_type}, {part} at once");
        }
        for prompt in [1, 15, 16, 17, 33] {
            cache.truncate(0);
            backend.forward(&tokens[..prompt], &mut cache, 1).unwrap();
            // Rows of another capacity than the cache, and one that held something else before.
            let mut rows = backend.rows(2, 90).unwrap();
            backend.step_rows(&[1, 2], &mut rows).unwrap();
            backend.fork(&cache, &mut rows, 1).unwrap();
            for (position, &token) in tokens.iter().enumerate().skip(prompt) {
                let logits = backend.step_rows(&[3, token], &mut rows).unwrap();
                let expected = &whole[position * vocab_size..][..vocab_size];
                let difference = largest_difference(&logits[vocab_size..], expected);
                assert!(difference < 1e-4, "{cache_type}, forked at {prompt}, position {position}: {difference}");
            }
        }
    }
}

#[test]
fn rounding_keys_and_values_changes_logits_by_little() {
    let Some(bundle) = shipped() else { return };
    let tokens = tokens(120, bundle.config().vocab_size);
    let [exact, half, byte] = CacheType::ALL.map(|cache| engine(&bundle, cache).logits(&tokens).unwrap());
    let size: f32 = exact.iter().map(|logit| logit * logit).sum();
    let share = |logits: &[f32]| {
        let error: f32 = logits.iter().zip(&exact).map(|(left, right)| (left - right).powi(2)).sum();
        (error / size).sqrt()
    };
    let shares = [share(&half), share(&byte)];
    println!("relative errors of float16 and int8: {shares:?}");
    // Keys and values are kept within 2^-11 of each, or 1/254 of the largest of a head.
    assert!(shares[0] > 0.0 && shares[0] < 0.02 && shares[1] < 0.1, "{shares:?}");
    assert!(shares[0] < shares[1], "{shares:?}");
}

#[test]
fn rationales_voted_on_are_those_of_single_questions() {
    let Some(bundle) = shipped() else { return };
    let request = |seed| {
        let request = Request::builder().temperature(2.0).seed(seed).rationale_tokens(20);
        request.on_rationale_exhausted(RationaleExhausted::Truncate).build().unwrap()
    };
    for cache in CacheType::ALL {
        let mut engine = engine(&bundle, cache);
        let mut alone: Vec<String> =
            (0..6).map(|seed| engine.solve("xyz?", &request(seed)).unwrap().completion).collect();
        alone.sort_unstable();
        let ballot = Ballot { rows: Some(count(3)), ..Ballot::new(count(6)) };
        let vote = engine.vote("xyz?", &request(0), &ballot).unwrap();
        let mut together: Vec<String> = vote.solutions.into_iter().map(|solution| solution.completion).collect();
        together.sort_unstable();
        assert_eq!(together, alone, "{cache}");
    }
}

#[test]
fn the_shipped_student_answers_alike_with_every_type_and_in_batches() {
    let Some(bundle) = shipped() else { return };
    let questions: Vec<Question> = ["Ada Ben", "Cleo Dan Eva", "Finn Gus Hal Ida"]
        .map(|names| Question {
            text: format!("Take the last letters of each words in \"{names}\" and concatenate them."),
            request: Request::default(),
        })
        .into();
    let answers = |solutions: &[Solution]| -> Vec<String> {
        solutions.iter().map(|solution| solution.answer.as_ref().unwrap().text().to_owned()).collect()
    };
    for cache in CacheType::ALL {
        let mut engine = engine(&bundle, cache);
        let alone: Vec<Solution> = questions.iter().map(|q| engine.solve(&q.text, &q.request).unwrap()).collect();
        assert_eq!(answers(&alone), ["an", "ona", "nsla"], "{cache}");
        let mut together = vec![None; questions.len()];
        engine.solve_batch(&questions, count(2), |index, solution| together[index] = Some(solution.unwrap())).unwrap();
        for (left, right) in alone.iter().zip(together) {
            assert_eq!(left.completion, right.unwrap().completion, "{cache}");
        }
    }
}

#[test]
fn bytes_are_counted_and_bounded_by_type() {
    let Some(bundle) = shipped() else { return };
    let config = bundle.config();
    let bytes = CacheType::ALL.map(|cache| {
        let backend = OnnxBackend::load(&bundle, &options(cache)).unwrap();
        let bytes = backend.cache_bytes(3, 64);
        let tensors = 3 * 64 * 2 * config.layers * config.kv_heads;
        // A row of the declared shape at most is left over in each head.
        let exact = (3.0 * 64.0 * cache.bytes_per_token(config)) as usize;
        assert!(bytes >= exact && bytes <= exact + tensors / 64 * 2 * config.head_dim, "{cache}: {bytes}, {exact}");
        bytes
    });
    assert_eq!(bytes[0], 2 * bytes[1]);
    assert!(bytes[2] < bytes[1] * 3 / 4 && bytes[2] > bytes[1] / 2, "{bytes:?}");
    // What is too little for float16 is enough for bytes.
    let question = "Take the last letters of each words in \"Ada Ben\" and concatenate them.";
    let [half, byte] = [CacheType::Float16, CacheType::Int8].map(|cache| {
        let mut engine = engine(&bundle, cache);
        engine.solve(question, &Request::default()).unwrap();
        engine.cache_bytes()
    });
    for (cache, fits) in [(CacheType::Float16, false), (CacheType::Int8, true)] {
        let mut engine = engine(&bundle, cache);
        engine.limit_cache(usize::midpoint(half, byte));
        assert_eq!(engine.solve(question, &Request::default()).is_ok(), fits, "{cache}");
    }
}

#[test]
fn a_type_that_the_bundle_does_not_offer_is_refused_by_name() {
    let Some(fixture) = fixture() else { return };
    let bundle = Bundle::open(fixture).unwrap();
    let open = |cache| Engine::open_with(&bundle, &options(cache));
    assert!(open(CacheType::Float32).is_ok());
    let error = open(CacheType::Int8).unwrap_err();
    assert_eq!(error.code(), "E_CACHE");
    assert_eq!(
        error.to_string(),
        "cache `int8`: expected one that a bundle of format `float32` offers, which are `float32`"
    );
}

/// The processors that each thread of this process may run on.
#[cfg(target_os = "linux")]
fn allowed() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread may end meanwhile.
    let statuses = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok());
    let line = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        Some(line.trim().to_owned())
    };
    statuses.filter_map(line).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn threads_are_bound_to_the_cores_that_were_named() {
    let Some(fixture) = fixture() else { return };
    let bundle = Bundle::open(fixture).unwrap();
    let bound = |threads| {
        let options = EngineOptions { threads: Some(count(threads)), affinity: Some(true), ..EngineOptions::default() };
        Engine::open_with(&bundle, &options)
    };
    let cores = pupil_runtime::machine::physical_cores();
    let error = bound(cores.len() + 1).unwrap_err();
    assert_eq!(error.code(), "E_AFFINITY");
    assert!(error.to_string().ends_with(&format!("one for each thread, found {}", cores.len())), "{error}");
    if cores.len() < 2 {
        return;
    }
    let second = cores[1].to_string();
    assert!(!allowed().contains(&second));
    let mut engine = bound(2).unwrap();
    assert_eq!(engine.logits(&[1, 2, 3]).unwrap().len(), 3 * engine.config().vocab_size);
    assert_eq!(allowed().into_iter().filter(|list| *list == second).count(), 1);
}
