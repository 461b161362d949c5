//! A teacher behind an OpenAI-compatible endpoint.
//!
//! ```text
//! queue ─ jobs ─▶ scheduler ─ body ─▶ client ─ reply or fault ─▶ scheduler ─ record ─▶ writer ─ durable ─▶ scheduler
//!                 (pace, ledger)      (dialect, stream)          (job, retry)
//! ```
//!
//! Requests ask for one completion each, so that each has a seed, a retry and a row of its own; `n` is never sent. What
//! the endpoint bills is at least once, what the store holds exactly once: a crash loses at most the requests under way.

mod client;
mod dialect;
mod error;
mod estimate;
mod fault;
mod job;
mod key;
mod ledger;
mod limits;
pub(super) mod offline;
mod pause;
mod queue;
mod reach;
mod request;
mod rounds;
mod scheduler;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
mod watch;
mod writer;

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub use error::OpenaiError;
pub use estimate::{Estimate, estimate};
pub use settings::{Api, BadSetting, Endpoint, Generation, Limits, OpenaiSource, Price, Prompting, Questions};

use client::EndpointClient;
use dialect::Usage;
use job::Scribe;
use ledger::Ledger;
use limits::Pace;
use queue::Queue;
use reach::Reach;
use request::Wording;
use scheduler::{Progress, Scheduler, Wires};
use watch::{Tally, Watch};

use super::{Assignment, TeachError};
use crate::keyed;
use crate::rationale::{RationaleError, Reader, Store};

/// Asks for every missing completion of the assignment.
///
/// # Errors
/// [`OpenaiError`] as [`TeachError`]; what had arrived is in the store.
pub fn teach(source: &OpenaiSource, assignment: &mut Assignment<'_>) -> Result<(), TeachError> {
    Ok(ask(source, assignment)?)
}

fn ask(source: &OpenaiSource, assignment: &mut Assignment<'_>) -> Result<(), OpenaiError> {
    source.check().map_err(|(key, expected, found)| OpenaiError::Setting { key, expected, found })?;
    let wording = Wording::new(source)?;
    tell_exemplars(&wording, assignment);
    let client = Arc::new(EndpointClient::new(source, wording.takes_reasoning())?);
    let ledger = ledger(source, assignment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| OpenaiError::Http { found: error.to_string() })?;
    let reader = Reader::open(assignment.store.path())?;
    let (events_sender, events) = tokio::sync::mpsc::unbounded_channel();
    let (entries, entries_receiver) = std::sync::mpsc::channel();
    let wires = Wires { events, sender: events_sender.clone(), entries };
    let (store, number) = (&mut *assignment.store, assignment.source);
    let known = store.progress(number)?;
    let tally = tally(store, number, assignment.examples.len(), assignment.degree.most())?;
    let mut queue = Queue::new(reader, number, assignment.examples, assignment.degree, assignment.filter);
    queue.retry_failed = assignment.options.retry_failed;
    queue.has_answer_step = wording.has_answer_step();
    queue.most_waiting = 4 * source.limits.concurrency.get() + 64;
    let scheduler = Scheduler {
        client,
        scribe: Scribe { wording: &wording, source: number, examples: assignment.examples },
        queue,
        limits: &source.limits,
        pace: Pace::new(&source.limits, Instant::now()),
        watch: Watch::new(assignment.options.notice, &tally, &ledger),
        ledger,
        tally,
        interrupt: assignment.interrupt,
        wires,
        process_key: process_key(),
        progress: Progress::new(Reach::new(known.done + known.partial > 0)),
    };
    let (asked, written) = std::thread::scope(|scope| {
        let writer = scope.spawn(move || writer::write(store, number, &entries_receiver, &events_sender));
        // The scheduler owns the writer's sender: when it is done, the writer finishes and ends.
        let asked = runtime.block_on(scheduler.run());
        (asked, writer.join())
    });
    // A name that is still being looked up would hold the runtime for as long as that takes.
    runtime.shutdown_background();
    written.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    asked
}

/// Says which examples stand in their own prompts as exemplars: their answers prove nothing.
fn tell_exemplars(wording: &Wording, assignment: &Assignment<'_>) {
    let Some(notice) = assignment.options.notice else { return };
    let among = assignment.examples.iter().filter(|(_, example)| wording.is_exemplar(example));
    let names: Vec<&str> = among.map(|(_, example)| example.id.as_str()).collect();
    if !names.is_empty() {
        notice(&format!(
            "note: {} of the examples are exemplars in their own prompts: {}",
            names.len(),
            names.join(", ")
        ));
    }
}

/// The ledger, with what earlier processes spent in all sources of the run.
fn ledger(source: &OpenaiSource, assignment: &Assignment<'_>) -> Result<Ledger, OpenaiError> {
    let mut spent = 0.0;
    for known in assignment.store.sources()? {
        spent += assignment.store.progress(known.number)?.cost_usd;
    }
    let options = &assignment.options;
    let ledger = Ledger::new(source.price, options.max_cost_usd, options.max_requests, 0.0)?;
    let uncounted = assignment.store.uncounted(assignment.source)?;
    let tokens = |characters: u64| ledger::estimated_tokens(characters as usize);
    spent += ledger.cost(Usage {
        prompt_tokens: tokens(uncounted.prompt_characters),
        completion_tokens: tokens(uncounted.reply_characters),
    });
    Ledger::new(source.price, options.max_cost_usd, options.max_requests, spent)
}

fn tally(store: &Store, source: u32, examples: usize, degree: u32) -> Result<Tally, RationaleError> {
    let progress = store.progress(source)?;
    Ok(Tally {
        total: examples as u64 * u64::from(degree),
        done: progress.done,
        // Those that are asked again fail again or are done; until then they do not count.
        failed: 0,
        in_flight: 0,
        waiting: 0,
        pause: None,
    })
}

/// A number that no other process is likely to have.
fn process_key() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    keyed::mix(&[u64::from(std::process::id()), now.as_nanos() as u64])
}
