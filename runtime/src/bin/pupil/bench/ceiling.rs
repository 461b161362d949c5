//! The ceiling: a decode step reads every weight and the cache once, so memory's bandwidth bounds tokens per second.

mod bandwidth;

use std::num::NonZeroUsize;

use pupil_models::bundle::Bundle;
use pupil_runtime::{CacheType, Device};

use super::figure::Figure;
use super::plan::BenchPlan;
use super::report::{About, Report};
use super::row::Measurement;
use crate::tune::thread_counts;

pub(super) fn measure(plan: &BenchPlan<'_>, bundle: &Bundle, report: &mut Report) {
    if report.conditions.device != Device::Cpu {
        report.note(
            "no ceiling: the bandwidth of a GPU's memory is not measured, and energy and memory are the CPU's alone",
        );
        return;
    }
    let buffer = bandwidth::Buffer::new();
    let computing = NonZeroUsize::new(report.conditions.threads).unwrap_or(NonZeroUsize::MIN);
    let mut reachable = 0.0;
    for readers in thread_counts(computing).map(NonZeroUsize::get) {
        let figure = Figure::of(buffer.gigabytes_per_second(readers, plan.warm_up, plan.runs));
        // The most that was seen, since a ceiling that is passed would be none.
        reachable = figure.as_ref().map_or(reachable, |figure| figure.most.max(reachable));
        let about = About { readers: Some(readers), ..About::default() };
        report.add(Measurement::Bandwidth, "GB/s", figure, about);
    }
    for &depth in &plan.depths {
        let bytes = step_bytes(bundle, depth + plan.tokens / 2, report.conditions.cache);
        let about = About { prompt_tokens: Some(depth), tokens: Some(plan.tokens), ..About::default() };
        report.add(Measurement::StepBytes, "MB", Some(Figure::once(bytes / 1e6)), about);
        report.add(Measurement::Ceiling, "tokens/s", Some(Figure::once(reachable * 1e9 / bytes)), about);
    }
    if let Some(cache) = bandwidth::largest_cache_bytes().filter(|&cache| bundle.weights().len_bytes() < cache) {
        report.note(format!(
            "the weights ({:.1} MB) fit into the processor's last cache ({:.1} MB): memory's bandwidth does not bound them, \
             and shares of the ceiling say little",
            bundle.weights().len_bytes() as f64 / 1e6,
            cache as f64 / 1e6
        ));
    }
}

/// Bytes that a decode step at this depth reads: all weights, of an embedding table that is not the head as well only a
/// row, and keys and values of the positions before.
fn step_bytes(bundle: &Bundle, depth: usize, cache: Option<CacheType>) -> f64 {
    let config = bundle.config();
    let embedding = (config.vocab_size * config.hidden_size) as f64 / config.parameter_count() as f64;
    let read = if config.tied_head { 1.0 } else { 1.0 - embedding };
    bundle.weights().len_bytes() as f64 * read + cache.map_or(0.0, |cache| cache.bytes_per_token(config) * depth as f64)
}
