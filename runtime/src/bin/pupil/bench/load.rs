//! Loads: cold, with the bundle's files dropped from the page cache, and warm.

use std::path::Path;
use std::time::{Duration, Instant};

use pupil_models::bundle::Bundle;
use pupil_models::digest::Digest;
use pupil_runtime::EngineOptions;
use pupil_runtime::backend::Backend;
use pupil_runtime::backend::onnx::OnnxBackend;
use pupil_runtime::tuning;

use super::decoding;
use super::figure::Figure;
use super::machine::storage;
use super::plan::BenchPlan;
use super::report::{About, Report};
use super::row::Measurement;

/// Tokens of the prompt that is read after a load.
const PROMPT_TOKENS: usize = 64;
/// A load counts as cold if so much of the bundle came from storage; the rest may be read ahead by others.
const COLD_SHARE: f64 = 0.5;

/// One load, up to the first token.
struct Load {
    ready: Duration,
    first_token: Duration,
    prompt_tokens: usize,
    answer: Digest,
}

pub(super) fn measure(plan: &BenchPlan<'_>, report: &mut Report) -> anyhow::Result<()> {
    let saved = if report.conditions.saved_graph { tuning::saved_graph(&Bundle::open(&plan.folder)?) } else { None };
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    let mut coldness = Ok(1.0_f64);
    // ONNX Runtime's own library is loaded by now; fresh processes pay for it, and are measured as such.
    for counts in plan.rounds() {
        if coldness.is_ok() {
            let dropped = drop_cached(&plan.folder, saved.as_deref());
            let before = storage::bytes_read();
            let load = once(&plan.folder, &plan.options)?;
            coldness = fetched_share(dropped, before, coldness);
            cold.extend(Some(load).filter(|_| counts));
        }
        let load = once(&plan.folder, &plan.options)?;
        warm.extend(Some(load).filter(|_| counts));
    }
    match coldness {
        Ok(share) if share >= COLD_SHARE => {
            add(report, [Measurement::ColdLoad, Measurement::ColdFirstToken], &cold);
        }
        Ok(share) => report.note(format!(
            "cold loads were not measured: the page cache was asked to drop the bundle, yet only {:.0} % of it came from \
             storage",
            share * 100.0
        )),
        Err(reason) => report.note(format!("cold loads were not measured: {reason}")),
    }
    add(report, [Measurement::WarmLoad, Measurement::WarmFirstToken], &warm);
    Ok(())
}

/// Bytes of what is dropped and read again: where there is a saved graph, the bundle's own weights are not.
fn drop_cached(folder: &Path, saved: Option<&Path>) -> Result<u64, String> {
    let of_bundle = storage::drop_cached(folder)?;
    saved.map_or(Ok(of_bundle), storage::drop_cached)
}

/// The least share of what was dropped that came from storage in any load so far.
fn fetched_share(
    dropped: Result<u64, String>,
    before: Option<u64>,
    so_far: Result<f64, String>,
) -> Result<f64, String> {
    let unknown = || "this system does not tell what is read from storage".to_owned();
    let (dropped, before) = (dropped?, before.ok_or_else(unknown)?);
    let after = storage::bytes_read().ok_or_else(unknown)?;
    Ok(so_far?.min((after - before) as f64 / dropped.max(1) as f64))
}

fn once(folder: &Path, options: &EngineOptions) -> anyhow::Result<Load> {
    let started = Instant::now();
    let bundle = Bundle::open(folder)?;
    let mut backend = OnnxBackend::load(&bundle, options)?;
    let ready = started.elapsed();
    let config = bundle.config();
    let prompt = decoding::synthetic_prompt(PROMPT_TOKENS.min(config.context_tokens), config.vocab_size);
    let mut cache = backend.cache(prompt.len())?;
    let token = decoding::prefill(&mut backend, &mut cache, &prompt)?;
    let first_token = started.elapsed();
    Ok(Load { ready, first_token, prompt_tokens: prompt.len(), answer: decoding::digest(&[token]) })
}

fn add(report: &mut Report, [load, first_token]: [Measurement; 2], loads: &[Load]) {
    let milliseconds =
        |time: fn(&Load) -> Duration| Figure::of(loads.iter().map(|load| time(load).as_secs_f64() * 1e3));
    let answer = loads.first().map(|load| load.answer);
    report.add(load, "ms", milliseconds(|load| load.ready), About { answer, ..About::default() });
    let prompt_tokens = loads.first().map(|load| load.prompt_tokens);
    report.add(
        first_token,
        "ms",
        milliseconds(|load| load.first_token),
        About { prompt_tokens, answer, ..About::default() },
    );
}
