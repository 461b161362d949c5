//! Joining stores: those of shards, or any.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::record::{Record, State};
use super::{ExampleKey, Outcome, RationaleError, Reader, Store};
use crate::dataset::Example;

/// Records that are written at once.
const BULK_ROWS: usize = 512;

/// What came out of a merge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeReport {
    /// Completions that were not there before, or less finished.
    pub written: u64,
    /// Completions that were there already.
    pub same: u64,
    /// What is missing for a whole run, in words.
    pub missing: Vec<String>,
}

/// Brings everything of `inputs` into `store`, all or nothing; doing it again changes nothing.
///
/// A completion that is finished in several inputs has to be the same in all of them; one that is finished beats one that
/// is not, a partial one beats a failed one.
///
/// # Errors
/// Two finished completions with one key differ; a source has other settings or examples. Nothing is written then.
pub fn merge(store: &mut Store, inputs: &[PathBuf]) -> Result<MergeReport, RationaleError> {
    let readers = inputs.iter().map(|path| Reader::open(path)).collect::<Result<Vec<_>, _>>()?;
    let mut report = store.atomically(|store| {
        let mut report = MergeReport::default();
        for reader in &readers {
            bring(store, reader, &mut report)?;
        }
        Ok::<_, RationaleError>(report)
    })?;
    report.missing = missing(store, &readers)?;
    Ok(report)
}

fn bring(store: &mut Store, reader: &Reader, report: &mut MergeReport) -> Result<(), RationaleError> {
    for source in reader.sources()? {
        store.register(&source, &[]).map_err(|error| blame(error, reader))?;
    }
    let mut examples: Vec<(ExampleKey, Example)> = Vec::new();
    reader.visit_examples(|key, example| {
        examples.push((key, example));
        if examples.len() < BULK_ROWS { Ok(()) } else { register(store, reader, &mut examples) }
    })?;
    register(store, reader, &mut examples)?;
    let mut records = Vec::new();
    reader.visit_records(|record| {
        records.push(record);
        if records.len() < BULK_ROWS { Ok(()) } else { put(store, reader, &mut records, report) }
    })?;
    put(store, reader, &mut records, report)?;
    bring_faults(store, reader)?;
    for (key, value) in reader.settings_below("source/")? {
        store.set(&key, &value)?;
    }
    Ok(())
}

fn register(
    store: &mut Store,
    reader: &Reader,
    examples: &mut Vec<(ExampleKey, Example)>,
) -> Result<(), RationaleError> {
    let registered = store.register_examples(examples);
    examples.clear();
    registered.map_err(|error| blame(error, reader))
}

fn put(
    store: &mut Store,
    reader: &Reader,
    records: &mut Vec<Record>,
    report: &mut MergeReport,
) -> Result<(), RationaleError> {
    let mut wanted = Vec::with_capacity(records.len());
    for record in records.drain(..) {
        let beaten = record.state != State::Done
            && store.get(record.key())?.is_some_and(|(known, _)| rank(known) >= rank(record.state));
        if beaten {
            report.same += 1;
        } else {
            wanted.push(record);
        }
    }
    for (outcome, record) in store.offer(&wanted)?.into_iter().zip(&wanted) {
        match outcome {
            Outcome::Written => report.written += 1,
            Outcome::Same => report.same += 1,
            Outcome::Conflict => {
                let id = Reader::name_of(reader.connection(), record.key()).map_err(|source| reader.failed(source))?;
                return Err(RationaleError::Conflict { path: reader.path().to_owned(), id });
            }
        }
    }
    Ok(())
}

fn rank(state: State) -> u8 {
    match state {
        State::Failed => 0,
        State::Partial => 1,
        State::Done => 2,
    }
}

/// Adds the faults that this input had not brought yet.
fn bring_faults(store: &mut Store, reader: &Reader) -> Result<(), RationaleError> {
    let path = std::path::absolute(reader.path()).unwrap_or_else(|_| reader.path().to_owned());
    let origin = reader.setting("shard")?.unwrap_or_else(|| path.display().to_string());
    for summary in reader.summaries()? {
        for (kind, count) in summary.faults {
            let key = format!("merged/{origin}/{}/{kind}", summary.source);
            let before = store.setting(&key)?.and_then(|value| value.parse().ok()).unwrap_or(0);
            if count > before {
                store.count_faults(summary.source, &kind, count - before)?;
                store.set(&key, &count.to_string())?;
            }
        }
    }
    Ok(())
}

/// Says which input is at fault, not which store was to take it.
fn blame(error: RationaleError, reader: &Reader) -> RationaleError {
    let path = reader.path().to_owned();
    match error {
        RationaleError::OtherSettings { number, differences, .. } => {
            RationaleError::OtherSettings { path, number, differences }
        }
        RationaleError::OtherSource { expected, found, .. } => RationaleError::OtherSource { path, expected, found },
        other => other,
    }
}

fn missing(store: &Store, readers: &[Reader]) -> Result<Vec<String>, RationaleError> {
    let mut missing = Vec::new();
    let mut shards = BTreeSet::new();
    for reader in readers {
        shards.extend(reader.setting("shard")?);
    }
    let parse = |shard: &String| {
        shard.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)))
    };
    let numbers: Vec<(u32, u32)> = shards.iter().filter_map(parse).collect();
    if let Some(&(_, count)) = numbers.first() {
        let absent = (0..count).filter(|index| !numbers.contains(&(*index, count)));
        missing.extend(absent.map(|index| format!("shard {index}/{count} is not there")));
    }
    for summary in store.summaries()? {
        let (source, progress) = (summary.source, summary.progress);
        if let Some(whole) = summary.whole_examples.filter(|&whole| whole > progress.examples) {
            missing.push(format!("source {source} has {} of {whole} examples", progress.examples));
        }
        if progress.partial + progress.failed > 0 {
            missing.push(format!(
                "source {source} has {} partial and {} failed completions",
                progress.partial, progress.failed
            ));
        }
    }
    Ok(missing)
}
