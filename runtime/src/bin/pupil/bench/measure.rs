//! The measurements.

use std::path::Path;
use std::time::{Duration, Instant};

use pupil_models::bundle::{Bundle, WEIGHTS};
use pupil_models::digest::Digest;
use pupil_runtime::backend::onnx::{OnnxBackend, find_library};
use pupil_runtime::backend::{Backend, BackendError, KeyValueCache};
use pupil_runtime::{Engine, EngineOptions, Event, GenerateError, Request, Solution, TokenId};

use super::memory;
use super::report::{Figure, MemoryFigures, QuestionFigures, Report, SyntheticFigures};
use crate::args::Bench;

pub(crate) fn measure(folder: &Path, arguments: &Bench, options: &EngineOptions) -> anyhow::Result<Report> {
    let empty_process = memory::now();
    let started = Instant::now();
    let mut engine = load(folder, options)?;
    let first_load = started.elapsed();
    let after_load = memory::now();
    let weight_maps = memory::maps_of(&folder.join(WEIGHTS));
    let question = question_figures(&mut engine, arguments)?;
    let after_runs = memory::now();
    drop(engine);

    let bundle = Bundle::open(folder)?;
    let mut loads = Vec::new();
    for _ in 0..arguments.runs.get() {
        let started = Instant::now();
        drop(load(folder, options)?);
        loads.push(started.elapsed());
    }
    Ok(Report {
        bundle: folder.to_owned(),
        onnxruntime: find_library()?.version,
        threads: options.thread_count(bundle.config().parameter_count()),
        prepacking: options.prepacking,
        runs: arguments.runs.get(),
        parameters: bundle.config().parameter_count(),
        first_load_ms: milliseconds(first_load),
        load_ms: Figure::of(loads.into_iter().map(milliseconds)),
        question,
        synthetic: synthetic_figures(&bundle, arguments, options)?,
        memory: MemoryFigures { empty_process, after_load, after_runs, weight_maps },
    })
}

fn load(folder: &Path, options: &EngineOptions) -> anyhow::Result<Engine> {
    let bundle = Bundle::open(folder)?;
    Ok(Engine::open_with(&bundle, options)?)
}

fn question_figures(engine: &mut Engine, arguments: &Bench) -> anyhow::Result<QuestionFigures> {
    // Once unmeasured: the first run pages the weights in.
    let (first, ids) = answer(engine, &arguments.question)?;
    let mut solutions = Vec::new();
    for _ in 0..arguments.runs.get() {
        solutions.push(answer(engine, &arguments.question)?.0);
    }
    let figure = |time: fn(&Solution) -> Option<f64>| Figure::of(solutions.iter().filter_map(time));
    Ok(QuestionFigures {
        prompt_tokens: first.usage.prompt_tokens,
        completion_tokens: first.usage.completion_tokens,
        outcome: first.outcome,
        completion_digest: digest(&ids),
        ttft_ms: figure(|solution| solution.timings.time_to_first_token.map(milliseconds)),
        tpot_ms: figure(|solution| solution.timings.time_per_output_token.map(milliseconds)),
        time_to_first_step_ms: figure(|solution| solution.timings.time_to_first_step.map(milliseconds)),
        time_to_answer_ms: figure(|solution| solution.timings.time_to_answer.map(milliseconds)),
        tokens_per_second: figure(|solution| {
            Some(solution.usage.completion_tokens as f64 / solution.timings.total.as_secs_f64())
        }),
    })
}

fn answer(engine: &mut Engine, question: &str) -> Result<(Solution, Vec<TokenId>), GenerateError> {
    let mut generation = engine.stream(question, &Request::default())?;
    loop {
        match generation.next() {
            Some(Ok(Event::Finished(solution))) => return Ok((solution, generation.token_ids())),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error),
            // The last event is always the end, so there is nothing to wait for.
            None => return Err(GenerateError::EmptyPrompt),
        }
    }
}

fn synthetic_figures(bundle: &Bundle, arguments: &Bench, options: &EngineOptions) -> anyhow::Result<SyntheticFigures> {
    let context = bundle.config().context_tokens;
    let prompt_tokens = arguments.prompt_tokens.get().min(context.saturating_sub(1).max(1));
    let tokens = arguments.tokens.get().min(context - prompt_tokens);
    let mut backend = OnnxBackend::load(bundle, options)?;
    let mut cache = backend.cache(prompt_tokens + tokens)?;
    let vocab_size = bundle.config().vocab_size;
    // Spread over the vocabulary, the same on every machine.
    let prompt: Vec<TokenId> = (0..prompt_tokens).map(|index| ((index * 7919 + 13) % vocab_size) as TokenId).collect();
    let (mut prefills, mut decodes, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.runs.get() {
        cache.truncate(0);
        let started = Instant::now();
        let mut token = most_probable(backend.forward(&prompt, &mut cache, 1)?);
        prefills.push(prompt_tokens as f64 / started.elapsed().as_secs_f64());
        let started = Instant::now();
        ids = decode(&mut backend, &mut cache, &mut token, tokens)?;
        decodes.push(tokens as f64 / started.elapsed().as_secs_f64());
    }
    Ok(SyntheticFigures {
        prompt_tokens,
        tokens,
        prefill_tokens_per_second: Figure::of(prefills),
        decode_tokens_per_second: Figure::of(decodes),
        completion_digest: digest(&ids),
    })
}

fn decode<B: Backend>(
    backend: &mut B,
    cache: &mut B::Cache,
    token: &mut TokenId,
    tokens: usize,
) -> Result<Vec<TokenId>, BackendError> {
    let mut ids = Vec::with_capacity(tokens);
    for _ in 0..tokens {
        ids.push(*token);
        *token = most_probable(backend.forward(&[*token], cache, 1)?);
    }
    Ok(ids)
}

fn most_probable(logits: &[f32]) -> TokenId {
    // Of equals the first: the rule of greedy decoding.
    let better = |best: (f32, TokenId), next: (f32, TokenId)| if next.0 > best.0 { next } else { best };
    logits.iter().copied().zip(0..).fold((f32::NEG_INFINITY, 0), better).1
}

fn digest(ids: &[TokenId]) -> Digest {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    Digest::of(&bytes)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
