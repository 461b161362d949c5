//! Fresh processes: from their start to the first token, and what memory they then have.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use pupil_models::bundle::Bundle;
use pupil_models::digest::Digest;
use pupil_runtime::TokenId;
use pupil_runtime::backend::Backend;
use pupil_runtime::backend::onnx::OnnxBackend;
use serde::{Deserialize, Serialize};

use super::decoding;
use super::figure::Figure;
use super::machine::memory::{self, Memory};
use super::plan::BenchPlan;
use super::report::{About, Report};
use super::row::{Conditions, Measurement};
use crate::args::Probe;
use crate::output::json_line;
use crate::plan::engine_options;

/// Tokens of the prompt.
const PROMPT_TOKENS: usize = 64;
/// Tokens that are decoded before memory is looked at.
const TOKENS: usize = 128;

/// One of the counts of a process's memory.
type Count = fn(&Memory) -> u64;

/// What a probe prints, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    /// The first token is chosen.
    FirstToken(TokenId),
    /// All tokens are decoded.
    Done { prompt_tokens: usize, tokens: usize, answer: Digest, memory: Option<Memory> },
}

pub(super) fn measure(plan: &BenchPlan<'_>, report: &mut Report) -> anyhow::Result<()> {
    let (mut first_ms, mut memories, mut about) = (Vec::new(), Vec::new(), About::default());
    for counts in plan.rounds() {
        let started = Instant::now();
        let child = spawn(plan, &report.conditions)?;
        let (first, done) = listen(child)?;
        let Said::Done { prompt_tokens, tokens, answer, memory } = done else { bail!("a probe ended too early") };
        if !counts {
            continue;
        }
        first_ms.push((first - started).as_secs_f64() * 1e3);
        memories.extend(memory);
        about = About {
            prompt_tokens: Some(prompt_tokens),
            tokens: Some(tokens),
            answer: Some(answer),
            ..About::default()
        };
    }
    let first = About { tokens: None, ..about };
    report.add(Measurement::ProcessFirstToken, "ms", Figure::of(first_ms), first);
    if memories.is_empty() {
        report.note("memory was not measured: this system does not tell");
    }
    let columns: [(Measurement, &str, f64, Count); 5] = [
        (Measurement::Anonymous, "MB", 1e6, |memory| memory.anonymous_bytes),
        (Measurement::Mapped, "MB", 1e6, |memory| memory.mapped_bytes),
        (Measurement::Peak, "MB", 1e6, |memory| memory.peak_bytes),
        (Measurement::MinorFaults, "faults", 1.0, |memory| memory.minor_faults),
        (Measurement::MajorFaults, "faults", 1.0, |memory| memory.major_faults),
    ];
    for (measurement, unit, scale, value) in columns {
        let figure = Figure::of(memories.iter().map(|memory| value(memory) as f64 / scale));
        report.add(measurement, unit, figure, about);
    }
    Ok(())
}

fn spawn(plan: &BenchPlan<'_>, conditions: &Conditions) -> anyhow::Result<Child> {
    let switch = |on: bool| if on { "on" } else { "off" };
    Command::new(std::env::current_exe().context("cannot find this program")?)
        .arg("probe")
        .arg(&plan.folder)
        .args(["--text", plan.question])
        .args(["--prompt-tokens", &PROMPT_TOKENS.to_string(), "--tokens", &TOKENS.to_string()])
        // What was decided for this process, whatever is stored meanwhile.
        .args(["--device", &conditions.device.to_string(), "--threads", &conditions.threads.to_string()])
        .args(["--instructions", &conditions.instruction_set])
        // All that is left to find among what is stored is a saved graph.
        .args((!conditions.saved_graph).then_some("--untuned"))
        .args(["--spinning", switch(conditions.spinning), "--affinity", switch(conditions.affinity)])
        .args(conditions.cache.into_iter().flat_map(|cache| ["--cache", cache.name()]))
        .arg(format!("--prepacking={}", switch(conditions.prepacking)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start a process to measure")
}

/// When the first token came, and the last that was said.
fn listen(mut child: Child) -> anyhow::Result<(Instant, Said)> {
    let heard = child.stdout.take().context("a probe without output").and_then(hear);
    // Waited for in any case, so that no process is left behind; one that was not understood may not end by itself.
    if heard.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().context("cannot wait for a probe")?;
    if !status.success() {
        bail!("a process that was started to be measured failed: {status}");
    }
    heard
}

fn hear(output: ChildStdout) -> anyhow::Result<(Instant, Said)> {
    let mut lines = BufReader::new(output).lines();
    let mut next = || -> anyhow::Result<(Instant, Said)> {
        let line = lines.next().context("a probe ended too early")??;
        let heard = Instant::now();
        Ok((heard, serde_json::from_str(&line)?))
    };
    let (first, Said::FirstToken(_)) = next()? else { bail!("a probe said something else than its first token") };
    Ok((first, next()?.1))
}

/// `pupil probe`: what [`measure`] starts.
pub(crate) fn probe(arguments: &Probe) -> anyhow::Result<ExitCode> {
    let bundle = Bundle::open(&arguments.bundle)?;
    let mut backend = OnnxBackend::load(&bundle, &engine_options(&arguments.engine))?;
    let context = bundle.config().context_tokens;
    let text = bundle.tokenizer().encode(&arguments.text)?;
    if text.is_empty() {
        bail!("a probe's text has no tokens");
    }
    let length = arguments.prompt_tokens.get().min(context);
    let tokens = arguments.tokens.get().min(context - length);
    let prompt: Vec<TokenId> = text.iter().copied().cycle().take(length).collect();
    let mut cache = backend.cache(length + tokens)?;
    let first = decoding::prefill(&mut backend, &mut cache, &prompt)?;
    let mut out = io::stdout().lock();
    json_line(&mut out, &Said::FirstToken(first))?;
    let (ids, _) = decoding::decode(&mut backend, &mut cache, first, tokens)?;
    let done = Said::Done { prompt_tokens: length, tokens, answer: decoding::digest(&ids), memory: memory::now() };
    json_line(&mut out, &done)?;
    Ok(ExitCode::SUCCESS)
}
