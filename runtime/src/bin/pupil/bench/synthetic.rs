//! Prompts and contexts of fixed length, interleaved, so that a slow moment of the machine falls on all of them.

use std::time::Instant;

use pupil_models::bundle::Bundle;
use pupil_runtime::TokenId;
use pupil_runtime::backend::onnx::{OnnxBackend, OnnxCache};
use pupil_runtime::backend::{Backend, BackendError, KeyValueCache};

use super::decoding;
use super::figure::{Figure, quantile};
use super::machine::meter::Meter;
use super::plan::BenchPlan;
use super::report::{About, Report};
use super::row::Measurement;

/// A context of one length, and what was measured on it.
struct Context {
    prompt: Vec<TokenId>,
    cache: OnnxCache,
    /// Tokens that are decoded after it.
    tokens: usize,
    prefill_rates: Vec<f64>,
    decode_rates: Vec<f64>,
    gaps_ms: Vec<f64>,
    joules: Vec<f64>,
    /// Ids of every round; all alike if the student is deterministic.
    ids: Vec<Vec<TokenId>>,
}

pub(super) fn measure(plan: &BenchPlan<'_>, report: &mut Report) -> anyhow::Result<()> {
    let bundle = Bundle::open(&plan.folder)?;
    let mut backend = OnnxBackend::load(&bundle, &plan.options)?;
    let meter = Meter::find();
    let mut contexts = contexts(plan, &bundle, &mut backend, report)?;
    for counts in plan.rounds() {
        for context in &mut contexts {
            context.round(&mut backend, meter.as_ref().ok(), counts)?;
        }
    }
    for context in &contexts {
        if context.ids.iter().any(|ids| *ids != context.ids[0]) {
            report.note(format!("after {} tokens NOT every run decoded the same", context.prompt.len()));
        }
        if plan.prompts.contains(&context.prompt.len()) {
            context.add_prefill(report);
        }
    }
    for context in contexts.iter().filter(|context| context.tokens > 0) {
        context.add_decode(report);
    }
    if let Err(reason) = meter {
        report.note(format!("energy was not measured: {reason}"));
    }
    Ok(())
}

/// A context for every length that the student's own context leaves room for.
fn contexts(
    plan: &BenchPlan<'_>,
    bundle: &Bundle,
    backend: &mut OnnxBackend,
    report: &mut Report,
) -> anyhow::Result<Vec<Context>> {
    let config = bundle.config();
    let mut lengths: Vec<usize> = plan.prompts.iter().chain(&plan.depths).copied().collect();
    lengths.sort_unstable();
    lengths.dedup();
    let mut contexts = Vec::new();
    for length in lengths {
        let tokens = if plan.depths.contains(&length) { plan.tokens } else { 0 };
        if length + tokens > config.context_tokens {
            let context = config.context_tokens;
            report.note(format!(
                "{length} + {tokens} tokens were not measured: the student's context is {context} tokens"
            ));
            if length > context || !plan.prompts.contains(&length) {
                continue;
            }
        }
        let tokens = if length + tokens > config.context_tokens { 0 } else { tokens };
        contexts.push(Context {
            prompt: decoding::synthetic_prompt(length, config.vocab_size),
            cache: backend.cache(length + tokens)?,
            tokens,
            prefill_rates: Vec::new(),
            decode_rates: Vec::new(),
            gaps_ms: Vec::new(),
            joules: Vec::new(),
            ids: Vec::new(),
        });
    }
    Ok(contexts)
}

impl Context {
    fn round(&mut self, backend: &mut OnnxBackend, meter: Option<&Meter>, counts: bool) -> Result<(), BackendError> {
        self.cache.truncate(0);
        let started = Instant::now();
        let token = decoding::prefill(backend, &mut self.cache, &self.prompt)?;
        let prefill = started.elapsed().as_secs_f64();
        let before = meter.and_then(|meter| meter.read().ok());
        let (mut ids, gaps_ms) = decoding::decode(backend, &mut self.cache, token, self.tokens)?;
        let joules = meter.zip(before).and_then(|(meter, before)| meter.joules_since(&before).ok());
        if !counts {
            return Ok(());
        }
        if ids.is_empty() {
            ids.push(token);
        } else {
            self.decode_rates.push(self.tokens as f64 / (gaps_ms.iter().sum::<f64>() / 1e3));
        }
        self.prefill_rates.push(self.prompt.len() as f64 / prefill);
        self.gaps_ms.extend(gaps_ms);
        self.joules.extend(joules.map(|joules| joules / self.tokens as f64).filter(|joules| joules.is_finite()));
        self.ids.push(ids);
        Ok(())
    }

    fn about(&self) -> About {
        let tokens = (self.tokens > 0).then_some(self.tokens);
        let answer = self.ids.first().map(|ids| decoding::digest(ids));
        About { prompt_tokens: Some(self.prompt.len()), tokens, answer, ..About::default() }
    }

    fn add_prefill(&self, report: &mut Report) {
        let about = About { tokens: None, ..self.about() };
        report.add(Measurement::Prefill, "tokens/s", Figure::of(self.prefill_rates.iter().copied()), about);
    }

    fn add_decode(&self, report: &mut Report) {
        let about = self.about();
        let rates = &self.decode_rates;
        report.add(Measurement::Decode, "tokens/s", Figure::of(rates.iter().copied()), about);
        if let Some(ceiling) = report.ceiling(self.prompt.len()) {
            let shares = rates.iter().map(|rate| rate / ceiling * 100.0);
            report.add(Measurement::CeilingShare, "%", Figure::of(shares), about);
        }
        let percentiles =
            [(Measurement::InterTokenP50, 0.5), (Measurement::InterTokenP90, 0.9), (Measurement::InterTokenP99, 0.99)];
        for (measurement, share) in percentiles {
            let of_runs = self.gaps_ms.chunks(self.tokens).map(|gaps| quantile(gaps.to_vec(), share));
            report.add(measurement, "ms", Figure::of(of_runs), about);
        }
        if !self.joules.is_empty() {
            report.add(Measurement::Energy, "J/token", Figure::of(self.joules.iter().copied()), about);
        }
    }
}
