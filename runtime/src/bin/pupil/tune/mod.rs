//! `pupil tune`: finds the fastest settings for a bundle on this machine, and stores them.
//!
//! One setting after the other, each with those found before it: threads, then whether they spin, then pre-packing, then
//! the rows of a batch. Candidates of a setting take turns, so that a slow moment of the machine falls on all of them, and
//! the cheapest one that is as good as the best is taken.

mod choose;
mod measure;

use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;

use pupil_models::bundle::Bundle;
use pupil_models::format::WeightFormat;
use pupil_runtime::backend::onnx::find_library;
use pupil_runtime::machine;
use pupil_runtime::tuning::{Candidate, Choice, Entry, Key, MOST_BATCH_ROWS, SCHEMA, Store};
use serde_json::json;

use crate::args::Tune;
use crate::bench::Figure;
use crate::output;
use crate::plan::{PlanError, bundle_or_default};
use choose::{Cost, cheapest_of_best, row_counts};
use measure::{Setting, Workload};

pub(crate) use choose::thread_counts;

pub(crate) fn run(arguments: &Tune) -> anyhow::Result<ExitCode> {
    let bundle = Bundle::open(bundle_or_default(arguments.bundle.clone())?)?;
    let key = Key::new(bundle.digest(), &find_library()?.version);
    let store = Store::of_user().ok_or_else(|| {
        PlanError::new(
            "no cache folder: expected `PUPIL_CACHE_DIR`, `XDG_CACHE_HOME` or `HOME` in the environment, found none",
            "set PUPIL_CACHE_DIR to a folder of yours",
        )
    })?;
    let (choice, candidates) = search(&bundle, arguments)?;
    let entry = Entry { schema: SCHEMA, key, choice, candidates };
    print(arguments, &entry)?;
    if arguments.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let path = store.write(&entry).map_err(|error| {
        let problem = format!("the choice cannot be stored: {error}");
        PlanError::new(problem, "set PUPIL_CACHE_DIR to a folder that you can write")
    })?;
    writeln!(io::stderr(), "stored in {}", path.display())?;
    Ok(ExitCode::SUCCESS)
}

/// The best settings, and everything that was tried.
fn search(bundle: &Bundle, arguments: &Tune) -> anyhow::Result<(Choice, Vec<Candidate>)> {
    let workload = Workload::new(bundle);
    let rounds = arguments.rounds.get();
    let cores = NonZeroUsize::new(machine::cores()).unwrap_or(NonZeroUsize::MIN);
    let most_threads = arguments.most_threads.unwrap_or(cores).min(cores);
    let mut tried = Vec::new();
    let mut stage = |name: &str, settings: Vec<Setting>, cost: Cost| -> anyhow::Result<Setting> {
        if let [only] = settings[..] {
            return Ok(only);
        }
        progress(name, settings.len(), rounds)?;
        let times = measure::rounds(bundle, &workload, &settings, rounds)?;
        let medians: Vec<f64> = settings.iter().zip(&times).map(|(setting, times)| setting.per_row_ms(times)).collect();
        let best = cheapest_of_best(&medians, cost);
        tried.extend(settings.iter().zip(times).map(|(setting, times)| setting.candidate(&workload, times)));
        Ok(settings[best])
    };

    let format = bundle.manifest().weights;
    let start = Setting {
        threads: NonZeroUsize::MIN,
        spinning: true,
        // Portable formats crawl without it.
        prepacking: format.is_portable(),
        rows: NonZeroUsize::MIN,
    };
    let settings = thread_counts(most_threads).map(|threads| Setting { threads, ..start }).collect();
    let found = stage("threads", settings, Cost::Cores)?;
    // A single thread has nobody to wait for.
    let spinning = if found.threads.get() > 1 { vec![false, true] } else { vec![false] };
    let settings = spinning.into_iter().map(|spinning| Setting { spinning, ..found }).collect();
    let found = stage("spinning", settings, Cost::Cores)?;
    // Packed weights are in their kernels' layout already.
    let prepacking = if format == WeightFormat::Float32 { vec![false, true] } else { vec![start.prepacking] };
    let settings = prepacking.into_iter().map(|prepacking| Setting { prepacking, ..found }).collect();
    let found = stage("pre-packing", settings, Cost::Memory)?;
    let settings = row_counts(MOST_BATCH_ROWS, workload.row_bytes()).map(|rows| Setting { rows, ..found }).collect();
    let found = stage("batch rows", settings, Cost::Cores)?;
    let Setting { threads, spinning, prepacking, rows: batch_rows } = found;
    Ok((Choice { threads, spinning, prepacking, batch_rows }, tried))
}

fn progress(name: &str, candidates: usize, rounds: usize) -> io::Result<()> {
    let mut out = io::stderr();
    if out.is_terminal() { writeln!(out, "{name}: {candidates} candidates, {rounds} rounds") } else { Ok(()) }
}

fn print(arguments: &Tune, entry: &Entry) -> io::Result<()> {
    if arguments.json {
        return output::json(&json!({"key": entry.key, "choice": entry.choice, "candidates": entry.candidates}));
    }
    let mut rows: Vec<(&str, String)> =
        entry.candidates.iter().map(|candidate| ("tried", describe_candidate(candidate))).collect();
    rows.push(("chosen", describe(&entry.choice)));
    output::table(&rows)
}

fn describe_candidate(candidate: &Candidate) -> String {
    let Candidate { threads, spinning, prepacking, rows, prompt_tokens, completion_tokens, rounds_ms } = candidate;
    let choice = Choice { threads: *threads, spinning: *spinning, prepacking: *prepacking, batch_rows: *rows };
    let times = Figure::of(rounds_ms.iter().copied()).map_or(String::new(), |figure| {
        format!("{:8.2} ms ({:.2} to {:.2})", figure.median, figure.least, figure.most)
    });
    format!("{:<68} {times} for {prompt_tokens} + {completion_tokens} tokens a row", describe(&choice))
}

/// A choice in words.
pub(crate) fn describe(choice: &Choice) -> String {
    let switch = |on: bool| if on { "on" } else { "off" };
    format!(
        "{} thread{}, spinning {}, pre-packing {}, {} row{} a batch",
        choice.threads,
        if choice.threads.get() == 1 { "" } else { "s" },
        switch(choice.spinning),
        switch(choice.prepacking),
        choice.batch_rows,
        if choice.batch_rows.get() == 1 { "" } else { "s" }
    )
}
