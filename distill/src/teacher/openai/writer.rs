//! The one place where completions become durable: a thread of its own, because commits block.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::job::Job;
use super::scheduler::Event;
use crate::rationale::{RationaleError, Record, Store};

/// Most rows of one transaction.
const MOST_ROWS: usize = 1024;

/// How long counted faults may wait for their transaction.
const FAULTS_EVERY: Duration = Duration::from_secs(1);

/// Something to write.
pub(super) enum Entry {
    /// A completion, whole or half or failed, and what goes on once it is durable.
    Record(Box<Record>, Settled),
    /// An attempt that brought nothing.
    Fault(String),
}

/// What is settled once a record is durable.
pub(super) enum Settled {
    /// The rationale of a completion whose answer is to be asked for.
    Half(Box<Job>),
    /// A completion of the example at this place.
    Whole(usize),
}

/// Writes entries as they come, all that have arrived in one transaction, until nobody can send any more.
///
/// # Errors
/// The store refuses; nothing more is written then, and the scheduler is told.
pub(super) fn write(
    store: &mut Store,
    source: u32,
    entries: &Receiver<Entry>,
    events: &UnboundedSender<Event>,
) -> Result<(), RationaleError> {
    let mut faults = Faults { counts: HashMap::new(), written: Instant::now() };
    let mut records = Vec::new();
    let mut settled = Vec::new();
    let mut is_open = true;
    while is_open {
        is_open = gather(entries, &mut records, &mut settled, &mut faults);
        let written = if records.is_empty() { Ok(()) } else { store.put(&records) };
        let written = written.and_then(|()| faults.write(store, source, is_open));
        if let Err(error) = written {
            // The scheduler may be gone already; it is told for the case that it is not.
            let _ = events.send(Event::Unwritable);
            return Err(error);
        }
        records.clear();
        if !settled.is_empty() {
            let _ = events.send(Event::Committed(std::mem::take(&mut settled)));
        }
    }
    Ok(())
}

/// Waits for an entry and takes all that are there; whether more can come.
fn gather(
    entries: &Receiver<Entry>,
    records: &mut Vec<Record>,
    settled: &mut Vec<Settled>,
    faults: &mut Faults,
) -> bool {
    let mut next = entries.recv().map_err(|_| TryRecvError::Disconnected);
    loop {
        match next {
            Ok(Entry::Record(record, then)) => {
                records.push(*record);
                settled.push(then);
            }
            Ok(Entry::Fault(kind)) => *faults.counts.entry(kind).or_default() += 1,
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
        if records.len() >= MOST_ROWS {
            return true;
        }
        next = entries.try_recv();
    }
}

/// Attempts that brought nothing, by kind, not yet written.
struct Faults {
    counts: HashMap<String, u64>,
    written: Instant,
}

impl Faults {
    fn write(&mut self, store: &mut Store, source: u32, may_wait: bool) -> Result<(), RationaleError> {
        if self.counts.is_empty() || may_wait && self.written.elapsed() < FAULTS_EVERY {
            return Ok(());
        }
        for (kind, count) in self.counts.drain() {
            store.count_faults(source, &kind, count)?;
        }
        self.written = Instant::now();
        Ok(())
    }
}
