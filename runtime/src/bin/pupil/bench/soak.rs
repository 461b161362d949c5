//! Minutes of decoding: whether the machine slows down as it warms up.

use std::time::{Duration, Instant};

use pupil_models::bundle::Bundle;
use pupil_models::digest::Digest;
use pupil_runtime::backend::onnx::OnnxBackend;
use pupil_runtime::backend::{Backend, KeyValueCache};

use super::decoding;
use super::figure::Figure;
use super::machine::meter::Meter;
use super::machine::sensors;
use super::plan::BenchPlan;
use super::report::{About, Report};
use super::row::Measurement;

/// Length of a window; a short soak has shorter ones, so that there are always a first and a last.
const WINDOW: Duration = Duration::from_secs(10);
/// Windows that a soak has at least.
const LEAST_WINDOWS: u32 = 2;

/// Decoding since the last window ended.
#[derive(Default)]
struct Window {
    /// Rate of each completion.
    rates: Vec<f64>,
    tokens: usize,
    decoding: Duration,
}

pub(super) fn measure(plan: &BenchPlan<'_>, length: Duration, report: &mut Report) -> anyhow::Result<()> {
    let bundle = Bundle::open(&plan.folder)?;
    let config = bundle.config();
    let mut backend = OnnxBackend::load(&bundle, &plan.options)?;
    let depth = plan.depths.first().copied().unwrap_or(1).min(config.context_tokens - 1);
    let tokens = plan.tokens.min(config.context_tokens - depth);
    let prompt = decoding::synthetic_prompt(depth, config.vocab_size);
    let mut cache = backend.cache(depth + tokens)?;
    let meter = Meter::find().ok();
    let about = About { prompt_tokens: Some(depth), tokens: Some(tokens), ..About::default() };

    let started = Instant::now();
    let window_length = WINDOW.min(length / LEAST_WINDOWS);
    let (mut window, mut until) = (Window::default(), window_length);
    let mut joules = meter.as_ref().and_then(|meter| meter.read().ok());
    let (mut medians, mut answer): (Vec<f64>, Option<Digest>) = (Vec::new(), None);
    let mut equal = true;
    while until <= length {
        cache.truncate(0);
        let first = decoding::prefill(&mut backend, &mut cache, &prompt)?;
        let before = Instant::now();
        let (ids, _) = decoding::decode(&mut backend, &mut cache, first, tokens)?;
        window.add(tokens, before.elapsed());
        let found = decoding::digest(&ids);
        equal &= *answer.get_or_insert(found) == found;
        if started.elapsed() < until {
            continue;
        }
        let spent = meter.as_ref().zip(joules.as_ref()).and_then(|(meter, before)| meter.joules_since(before).ok());
        medians.push(window.tokens as f64 / window.decoding.as_secs_f64());
        let about = About { at_seconds: Some(until.as_secs_f64()), answer, ..about };
        std::mem::take(&mut window).add_to(report, spent, about);
        joules = meter.as_ref().and_then(|meter| meter.read().ok());
        // A completion may take longer than a window.
        while until <= started.elapsed() {
            until += window_length;
        }
    }
    if let (Some(first), Some(last)) = (medians.first(), medians.last()) {
        report.add(Measurement::SoakDrift, "%", Some(Figure::once(last / first * 100.0)), About { answer, ..about });
    }
    if !equal {
        report.note("during the soak NOT every completion was the same");
    }
    note_absent_sensors(report);
    Ok(())
}

fn note_absent_sensors(report: &mut Report) {
    if sensors::clock_mhz().is_none() {
        report.note("the clock was not measured: this system shows none");
    }
    if sensors::hottest_celsius().is_none() {
        report.note("the temperature was not measured: this system shows none");
    }
}

impl Window {
    fn add(&mut self, tokens: usize, decoding: Duration) {
        self.rates.push(tokens as f64 / decoding.as_secs_f64());
        self.tokens += tokens;
        self.decoding += decoding;
    }

    fn add_to(self, report: &mut Report, joules: Option<f64>, about: About) {
        let overall = self.tokens as f64 / self.decoding.as_secs_f64();
        // The window's rate is that of all its tokens; single completions show the spread. A row of thousands helps nobody.
        let figure = Figure::of(self.rates).map(|figure| Figure { median: overall, runs: vec![overall], ..figure });
        report.add(Measurement::SoakWindow, "tokens/s", figure, about);
        let sensed = About { answer: None, ..about };
        report.add(Measurement::Frequency, "MHz", sensors::clock_mhz().map(Figure::once), sensed);
        report.add(Measurement::Temperature, "°C", sensors::hottest_celsius().map(Figure::once), sensed);
        // What reading the prompts took is in it, as it is for whoever uses the student.
        let per_token = joules.map(|joules| Figure::once(joules / self.tokens as f64));
        report.add(Measurement::Energy, "J/token", per_token, about);
    }
}
