//! Reading result files, whatever their order and however often.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde_json::Value;

use super::custom_id::{CustomId, Step};
use super::request::{Requests, Standing, standing};
use super::result::{self, BatchResult};
use super::{BatchError, OpenaiSource};
use crate::dataset::Example;
use crate::rationale::{CompletionKey, ExampleKey, Failure, Record, State};
use crate::teacher::Assignment;

/// Records that are written in one transaction.
const GROUP_ROWS: usize = 1024;

/// Rows of one kind: how many, and where the first ones stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// How many.
    pub count: usize,
    /// Where the first ones stand, and what is wrong with them.
    pub first: Vec<String>,
}

impl Places {
    fn add(&mut self, place: String) {
        const NAMED: usize = 20;
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(place);
        }
    }
}

/// What result files brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadReport {
    /// Completions that are whole now.
    pub finished: usize,
    /// Rationales whose answers have to be asked for next.
    pub rationales: usize,
    /// Completions that failed.
    pub failed: usize,
    /// Rows about something that was known already.
    pub repeated: usize,
    /// Rows about requests that this experiment does not make: another experiment's, or other settings.
    pub unknown: Places,
    /// Answers to rationales that have not been read.
    pub early: Places,
    /// Rows that are none.
    pub malformed: Places,
}

impl ReadReport {
    /// Rows that were not taken although nothing is known about what they say.
    #[must_use]
    pub fn bad(&self) -> usize {
        self.unknown.count + self.early.count + self.malformed.count
    }

    /// Adds what the same files brought to another source.
    pub fn add(&mut self, other: Self) {
        self.finished += other.finished;
        self.rationales += other.rationales;
        self.failed += other.failed;
        self.repeated += other.repeated;
        for (places, others) in
            [(&mut self.unknown, other.unknown), (&mut self.early, other.early), (&mut self.malformed, other.malformed)]
        {
            let count = places.count + others.count;
            others.first.into_iter().for_each(|place| places.add(place));
            places.count = count;
        }
    }
}

/// Sees which rows of `files` belong to none of the sources with these `numbers`; nothing is written.
///
/// # Errors
/// [`BatchError::Read`] if a file cannot be read to its end.
pub fn survey(numbers: &[u32], files: &[PathBuf]) -> Result<ReadReport, BatchError> {
    let mut report = ReadReport::default();
    result::visit(files, |place, row| {
        match row {
            Err(found) => report.malformed.add(format!("{place}: {found}")),
            Ok(row) => {
                let id = row.custom_id.parse::<CustomId>();
                if !id.is_ok_and(|id| numbers.contains(&id.source)) {
                    report.unknown.add(format!("{place}: `{}`", clipped(&row.custom_id)));
                }
            }
        }
        Ok(())
    })?;
    Ok(report)
}

/// Reads the rows of `files` that belong to the assignment's source; [`survey()`] tells about the others.
///
/// The store is the same whatever the order of files and rows, and however often a row comes: a reply is taken once, a failure
/// counts only where there is no reply. Of two different replies to one request the first is taken.
///
/// # Errors
/// [`BatchError`]: a file cannot be read; the store refuses; somebody asks to stop. What was read before is kept.
pub fn read(
    source: &OpenaiSource,
    assignment: &mut Assignment<'_>,
    files: &[PathBuf],
) -> Result<ReadReport, BatchError> {
    let requests = Requests::of(source, assignment.source)?;
    let places = assignment.examples.iter().enumerate().map(|(place, (position, _))| (*position, place)).collect();
    let mut reading = Reading { requests, assignment, places, pending: BTreeMap::new(), report: ReadReport::default() };
    // Rationales first, because answers are recognised by them.
    for step in [Step::Rationale, Step::Answer] {
        result::visit(files, |place, row| match row {
            Ok(row) => reading.take(step, place, row),
            Err(_) => Ok(()),
        })?;
        reading.flush()?;
    }
    Ok(reading.report)
}

struct Reading<'r, 'a> {
    requests: Requests,
    assignment: &'r mut Assignment<'a>,
    /// Places in the assignment's examples, by position.
    places: HashMap<u64, usize>,
    /// Records that are not in the store yet.
    pending: BTreeMap<CompletionKey, Record>,
    report: ReadReport,
}

impl Reading<'_, '_> {
    /// Takes a row, if it is one of `step`.
    fn take(&mut self, step: Step, place: &str, row: BatchResult) -> Result<(), BatchError> {
        if self.assignment.interrupt.is_requested() {
            self.flush()?;
            return Err(BatchError::Interrupted);
        }
        let Ok(id) = row.custom_id.parse::<CustomId>() else { return Ok(()) };
        if id.step != step || id.source != self.assignment.source {
            return Ok(());
        }
        self.settle(&id, place, row.outcome)
    }

    /// Writes what became of a request.
    fn settle(&mut self, id: &CustomId, place: &str, outcome: Result<Value, Failure>) -> Result<(), BatchError> {
        let Some(example) = self.example(id) else {
            self.report.unknown.add(format!("{place}: `{id}`"));
            return Ok(());
        };
        let key = ExampleKey::new(id.source, id.position).completion(id.index);
        let known = self.known(id, key)?;
        let is_settled = is_settled(&known, id.step, outcome.is_ok());
        let Some(request) = self.requests.request(&example, id.index, id.step, known)? else {
            // A whole completion has no request any more, but its reply may come again.
            let places = if is_settled { None } else { Some(&mut self.report.early) };
            places.map_or_else(|| self.report.repeated += 1, |places| places.add(format!("{place}: `{id}`")));
            return Ok(());
        };
        if request.id != *id {
            self.report.unknown.add(format!("{place}: `{id}`, where the experiment asks `{}`", request.id));
            return Ok(());
        }
        if is_settled {
            self.report.repeated += 1;
            return Ok(());
        }
        let record = self.requests.offline.opened(&example, request.letter, outcome);
        let record = record.map_err(|error| self.requests.refused(error))?;
        match record.state {
            State::Done => self.report.finished += 1,
            State::Partial => self.report.rationales += 1,
            State::Failed => self.report.failed += 1,
        }
        self.pending.insert(key, record);
        if self.pending.len() >= GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn example(&self, id: &CustomId) -> Option<(u64, Example)> {
        let place = self.places.get(&id.position).filter(|_| id.index < self.assignment.degree.most())?;
        Some(self.assignment.examples[*place].clone())
    }

    /// How far a completion is, in the store or on its way there.
    fn known(&self, id: &CustomId, key: CompletionKey) -> Result<Standing, BatchError> {
        if let Some(Record { state, completion, accounting, .. }) = self.pending.get(&key) {
            let (completion, spent) = (Some(completion.clone()), accounting.clone());
            return Ok(Standing { state: Some(*state), completion, spent });
        }
        let example = ExampleKey::new(id.source, id.position);
        let states = self.assignment.store.states(example)?;
        let state = states.iter().find(|(index, _)| *index == id.index).map(|(_, state)| *state);
        standing(self.assignment, example, id.index, state)
    }

    fn flush(&mut self) -> Result<(), BatchError> {
        let records: Vec<Record> = std::mem::take(&mut self.pending).into_values().collect();
        if !records.is_empty() {
            self.assignment.store.put(&records)?;
        }
        Ok(())
    }
}

/// Whether a row of `step` brings nothing new.
fn is_settled(known: &Standing, step: Step, is_reply: bool) -> bool {
    match (known.state, step) {
        (Some(State::Done), _) | (Some(State::Partial), Step::Rationale) => true,
        // It failed at its answer: its rationale is there.
        (Some(State::Failed), Step::Rationale) if known.has_rationale() => true,
        (Some(State::Failed), _) => !is_reply,
        (None, _) | (Some(State::Partial), Step::Answer) => false,
    }
}

fn clipped(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(80).collect()
}
