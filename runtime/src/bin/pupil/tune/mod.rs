//! `pupil tune`: finds the fastest settings for a bundle on this machine, and stores them.
//!
//! One setting after the other, each with those found before it: threads, whether they spin, whether they are bound to cores,
//! pre-packing, the cache, the rows of a batch. Candidates of a setting take turns, so that a slow moment of the machine
//! falls on all of them, and the cheapest one that is as good as the best is taken; but one that costs more than what is
//! usual, without any tuning, only if rounds differ less than candidates do.

mod choose;
mod measure;
mod search;

use std::io::{self, Write};
use std::process::ExitCode;

use pupil_models::bundle::Bundle;
use pupil_runtime::backend::onnx::find_library;
use pupil_runtime::machine;
use pupil_runtime::tuning::{Candidate, Choice, Entry, Key, SCHEMA, SavedGraph, Store};
use serde_json::json;

use crate::args::Tune;
use crate::bench::{Figure, load_of_others};
use crate::output;
use crate::plan::{PlanError, bundle_or_default};
use search::search;

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
    warn_if_busy()?;
    let (choice, candidates) = search(&bundle, arguments)?;
    let saved_graph = if arguments.dry_run || arguments.no_graph || bundle.manifest().weights.is_native() {
        None
    } else {
        save_graph(&bundle, &store, &key, &choice)?
    };
    let entry = Entry { schema: SCHEMA, key, choice, candidates, saved_graph };
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

/// The graph saved for this choice; one that cannot be is said, and the choice holds without it.
fn save_graph(bundle: &Bundle, store: &Store, key: &Key, choice: &Choice) -> io::Result<Option<SavedGraph>> {
    if !choice.prepacking {
        return Ok(None);
    }
    match SavedGraph::save(bundle, store, key) {
        Ok(saved) => Ok(Some(saved)),
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            writeln!(io::stderr(), "warning: the optimised graph is not saved, the choice holds without it: {error}")?;
            Ok(None)
        }
    }
}

/// Says so if other work is going on, beside which candidates would be measured.
fn warn_if_busy() -> io::Result<()> {
    let Some(load) = load_of_others() else { return Ok(()) };
    let cores = machine::cores();
    writeln!(
        io::stderr(),
        "warning: the machine is not quiet: a load of {load} on {cores} cores; what is found may not hold when it is"
    )
}

fn print(arguments: &Tune, entry: &Entry) -> io::Result<()> {
    if arguments.json {
        return output::json(&json!({
            "key": entry.key,
            "choice": entry.choice,
            "candidates": entry.candidates,
            "saved_graph": entry.saved_graph,
        }));
    }
    let mut rows: Vec<(&str, String)> =
        entry.candidates.iter().map(|candidate| ("tried", describe_candidate(candidate))).collect();
    rows.push(("chosen", describe(&entry.choice)));
    if let Some(saved) = &entry.saved_graph {
        let size = describe_size(saved);
        rows.push(("saved", format!("{size}, mapped when the bundle is opened; `--no-graph` does without")));
    }
    output::table(&rows)
}

fn describe_candidate(candidate: &Candidate) -> String {
    let Candidate { prompt_tokens, completion_tokens, rounds_ms, .. } = candidate;
    let choice = Choice {
        threads: candidate.threads,
        spinning: candidate.spinning,
        affinity: candidate.affinity,
        prepacking: candidate.prepacking,
        cache: candidate.cache,
        batch_rows: candidate.rows,
    };
    let times = Figure::of(rounds_ms.iter().copied()).map_or(String::new(), |figure| {
        format!("{:8.2} ms ({:.2} to {:.2})", figure.median, figure.least, figure.most)
    });
    format!("{:<98} {times} for {prompt_tokens} + {completion_tokens} tokens a row", describe(&choice))
}

/// What was saved, and the room that it takes on the disk.
pub(crate) fn describe_size(saved: &SavedGraph) -> String {
    format!("optimised graph with pre-packed weights, {} bytes", saved.bytes())
}

/// A choice in words.
pub(crate) fn describe(choice: &Choice) -> String {
    let switch = |on: bool| if on { "on" } else { "off" };
    format!(
        "{} thread{}, spinning {}, pre-packing {}, affinity {}, {} cache, {} row{} a batch",
        choice.threads,
        if choice.threads.get() == 1 { "" } else { "s" },
        switch(choice.spinning),
        switch(choice.prepacking),
        switch(choice.affinity),
        choice.cache,
        choice.batch_rows,
        if choice.batch_rows.get() == 1 { "" } else { "s" }
    )
}
