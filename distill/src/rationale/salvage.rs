//! Reading what can be read of a damaged store.

use std::path::Path;

use pupil_models::durable;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::record::{ExampleKey, Record};
use super::row::{self, EXAMPLE, RECORD};
use super::store::beside;
use super::{RationaleError, SourceRecord, Store, schema};
use crate::dataset::Example;

/// Examples that are read, with their completions, before they are written.
const BULK_EXAMPLES: usize = 256;

/// Places that are tried one by one after the last example that can be found by counting.
const MOST_ABSENT: u64 = 1 << 16;

/// What could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SalvageReport {
    /// Examples.
    pub examples: u64,
    /// Completions, whatever their state.
    pub completions: u64,
    /// Places at which reading failed: examples, or completions of an example, some of which are lost.
    pub unreadable: Vec<String>,
}

/// Copies every row of `damaged` that can still be read into a new store at `target`.
///
/// Verdicts are not copied: filtering again gives them back. The damaged file is only read.
///
/// # Errors
/// `target` is there already, or cannot be written; of `damaged` not even the list of sources can be read.
pub fn salvage(damaged: &Path, target: &Path) -> Result<SalvageReport, RationaleError> {
    std::fs::metadata(damaged).map_err(|source| RationaleError::Read { path: damaged.to_owned(), source })?;
    if target.exists() {
        let (expected, found) = ("no file there".to_owned(), "one".to_owned());
        return Err(RationaleError::Store { path: target.to_owned(), expected, found });
    }
    let wreck = Wreck::open(damaged)?;
    let sources = wreck.sources()?;
    // Under another name until it is whole: what a killed salvage left is of no use.
    let staged = beside(target, ".partial");
    let companions = ["", "-wal", "-shm", ".lock"].map(|suffix| beside(&staged, suffix));
    let remove = || companions.iter().try_for_each(|path| remove_file(path));
    let failed = |source| RationaleError::Write { path: target.to_owned(), source };
    remove().map_err(failed)?;
    let copied = Store::open(&staged).and_then(|mut store| wreck.copy(&sources, &mut store));
    let moved = copied.and_then(|report| {
        std::fs::rename(&staged, target).and_then(|()| durable::sync_folder(target)).map_err(failed)?;
        Ok(report)
    });
    // Of a copy that is whole only the lock is left.
    remove().map_err(failed)?;
    moved
}

fn remove_file(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A store of which any read may fail.
struct Wreck<'a> {
    connection: Connection,
    path: &'a Path,
}

impl<'a> Wreck<'a> {
    fn open(path: &'a Path) -> Result<Self, RationaleError> {
        let failed = |source| RationaleError::database(path, source);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        // What one page says about its neighbours is of no use here.
        connection.pragma_update(None, "cell_size_check", "ON").map_err(failed)?;
        Ok(Self { connection, path })
    }

    fn sources(&self) -> Result<Vec<SourceRecord>, RationaleError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT id, teacher, settings FROM source ORDER BY id")?;
            let rows = statement.query_map([], |row| {
                Ok(SourceRecord { number: row.get(0)?, teacher: row.get(1)?, settings: row.get(2)? })
            })?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|source| RationaleError::database(self.path, source))
    }

    fn copy(&self, sources: &[SourceRecord], store: &mut Store) -> Result<SalvageReport, RationaleError> {
        store.atomically(|store| {
            let mut report = SalvageReport::default();
            for source in sources {
                store.register(source, &[])?;
                self.copy_source(source.number, store, &mut report)?;
            }
            self.copy_notes(store, &mut report);
            Ok(report)
        })
    }

    fn copy_source(&self, source: u32, store: &mut Store, report: &mut SalvageReport) -> Result<(), RationaleError> {
        let mut examples = Vec::with_capacity(BULK_EXAMPLES);
        let end = self.end_of(source);
        let mut absent = 0;
        for position in 0..end.unwrap_or(schema::MOST_EXAMPLES) {
            let key = ExampleKey::new(source, position);
            match self.example(key) {
                Ok(Some(example)) => {
                    absent = 0;
                    examples.push((key, example));
                }
                Ok(None) => absent += 1,
                Err(error) => {
                    absent += 1;
                    report.unreadable.push(format!("example {position} of source {source}: {error}"));
                }
            }
            if examples.len() == BULK_EXAMPLES {
                self.copy_examples(&mut examples, store, report)?;
            }
            if end.is_none() && absent > MOST_ABSENT {
                break;
            }
        }
        self.copy_examples(&mut examples, store, report)
    }

    /// The position after the last example, if the tree of examples can be read so far.
    fn end_of(&self, source: u32) -> Option<u64> {
        let (first, end) = (ExampleKey::new(source, 0).0, ExampleKey::new(source + 1, 0).0);
        let query = "SELECT max(id) FROM example WHERE id >= ? AND id < ?";
        let last = self.connection.query_row(query, [first, end], |row| row.get::<_, Option<i64>>(0)).ok()?;
        Some(last.map_or(0, |last| schema::position_of(last) + 1))
    }

    fn example(&self, key: ExampleKey) -> rusqlite::Result<Option<Example>> {
        self.connection
            .prepare_cached(&format!("SELECT {EXAMPLE} FROM example WHERE id = ?"))?
            .query_row([key.0], |found| row::example_of(found, 0))
            .optional()
    }

    fn copy_examples(
        &self,
        examples: &mut Vec<(ExampleKey, Example)>,
        store: &mut Store,
        report: &mut SalvageReport,
    ) -> Result<(), RationaleError> {
        store.register_examples(examples)?;
        report.examples += examples.len() as u64;
        for (key, example) in examples.drain(..) {
            let (records, failure) = self.records(key);
            if let Some(error) = failure {
                report.unreadable.push(format!("completions of `{}`: {error}", example.id));
            }
            report.completions += records.len() as u64;
            store.put(&records)?;
        }
        Ok(())
    }

    /// The completions of an example that can be read from the first one on, and from the last one back.
    fn records(&self, example: ExampleKey) -> (Vec<Record>, Option<rusqlite::Error>) {
        let mut records = Vec::new();
        let Err(error) = self.read_records(example, "ASC", &mut records) else { return (records, None) };
        let mut backwards = Vec::new();
        // The first failure says enough.
        let _ = self.read_records(example, "DESC", &mut backwards);
        let last = records.last().map(Record::key);
        records.extend(backwards.into_iter().rev().filter(|record| Some(record.key()) > last));
        (records, Some(error))
    }

    fn read_records(&self, example: ExampleKey, order: &str, records: &mut Vec<Record>) -> rusqlite::Result<()> {
        let (first, end) = (example.completion(0).0, ExampleKey(example.0 + 1).completion(0).0);
        let query = format!("SELECT {RECORD}, id FROM completion WHERE id >= ? AND id < ? ORDER BY id {order}");
        let mut statement = self.connection.prepare_cached(&query)?;
        let mut rows = statement.query([first, end])?;
        while let Some(found) = rows.next()? {
            let record = row::record_of(found)?;
            // A page that belongs elsewhere can look whole.
            if record.example != example || record.key().0 != found.get::<_, i64>(20)? {
                return Err(rusqlite::Error::IntegralValueOutOfRange(0, record.key().0));
            }
            records.push(record);
        }
        Ok(())
    }

    /// Faults and notes, as far as they can be read.
    fn copy_notes(&self, store: &mut Store, report: &mut SalvageReport) {
        let faults = self.pairs("SELECT source || '/' || kind, CAST(count AS TEXT) FROM fault");
        let settings = self.pairs("SELECT key, value FROM setting");
        for (name, pairs) in [("counts of faults", &faults), ("notes", &settings)] {
            if let Err(error) = pairs {
                report.unreadable.push(format!("{name}: {error}"));
            }
        }
        for (key, count) in faults.unwrap_or_default() {
            let Some((source, kind)) = key.split_once('/') else { continue };
            if let (Ok(source), Ok(count)) = (source.parse(), count.parse())
                && store.count_faults(source, kind, count).is_err()
            {
                report.unreadable.push(format!("count of faults `{key}`"));
            }
        }
        for (key, value) in settings.unwrap_or_default() {
            if store.set(&key, &value).is_err() {
                report.unreadable.push(format!("note `{key}`"));
            }
        }
    }

    fn pairs(&self, query: &str) -> rusqlite::Result<Vec<(String, String)>> {
        self.connection.prepare(query)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }
}
