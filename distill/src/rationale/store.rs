//! The store's writing side.

use std::fs::{File, TryLockError};
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use super::reader::Reader;
use super::record::{CompletionKey, ExampleKey, Record, State};
use super::{RationaleError, schema};
use crate::dataset::Example;
use crate::filter::Verdict;

/// How long a write waits for a reader that is in its way.
const PATIENCE: Duration = Duration::from_secs(30);

/// A rationale store, open for writing; there is one writer at a time, and this process is it.
pub struct Store {
    reader: Reader,
    _lock: File,
}

/// A source as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRecord {
    /// Position in the experiment, from 0.
    pub number: u32,
    /// Name of the teacher.
    pub teacher: String,
    /// JSON object of everything that decides what is asked.
    pub settings: String,
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Store {
    /// Opens the store at `path`, making it if there is none.
    ///
    /// # Errors
    /// Another process has it open for writing; the file is not a store, or of another version; the disk refuses.
    pub fn open(path: &Path) -> Result<Self, RationaleError> {
        let lock = lock(path)?;
        let failed = |source| RationaleError::Database { path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        let is_new = Reader::require_ours(&connection, path)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", "ON").map_err(failed)?;
        if is_new {
            create(&mut connection).map_err(failed)?;
        }
        Ok(Self { reader: Reader::over(connection, path), _lock: lock })
    }

    /// Registers a source and its examples, each at its position in the experiment; does nothing if they are there already.
    ///
    /// A shard registers the examples that it asks about, with the positions that they have in the whole.
    ///
    /// # Errors
    /// The store holds the source with another teacher, other settings, or other examples.
    pub fn register(&mut self, source: &SourceRecord, examples: &[(u64, Example)]) -> Result<(), RationaleError> {
        let path = self.reader.path().to_owned();
        let failed = |source| RationaleError::Database { path: path.clone(), source };
        let other =
            |expected: String, found: String| RationaleError::OtherSource { path: path.clone(), expected, found };
        if let Some(known) = self.reader.sources()?.into_iter().find(|known| known.number == source.number) {
            if known != *source {
                let described =
                    |source: &SourceRecord| format!("teacher `{}` with {}", source.teacher, source.settings);
                return Err(other(described(&known), described(source)));
            }
        }
        let transaction = self.reader.connection_mut().transaction().map_err(failed)?;
        transaction
            .execute(
                "INSERT OR IGNORE INTO source (id, teacher, settings) VALUES (?, ?, ?)",
                params![source.number, source.teacher, source.settings],
            )
            .map_err(failed)?;
        for (position, example) in examples {
            let key = ExampleKey::new(source.number, *position);
            let known = known_example(&transaction, key).map_err(failed)?;
            match known {
                Some(known) if known == *example => {}
                Some(known) => return Err(other(format!("example `{}`", known.id), format!("`{}`", example.id))),
                None => insert_example(&transaction, source.number, key, example).map_err(failed)?,
            }
        }
        transaction.commit().map_err(failed)
    }

    /// Writes `records` in one transaction; once this returns they are on disk.
    ///
    /// A finished completion that is written again word for word changes nothing.
    ///
    /// # Errors
    /// A finished completion would be replaced by a different one; the disk refuses. Nothing of `records` is written then.
    pub fn put(&mut self, records: &[Record]) -> Result<(), RationaleError> {
        let path = self.reader.path().to_owned();
        let failed = |source| RationaleError::Database { path: path.clone(), source };
        let transaction = self.reader.connection_mut().transaction().map_err(failed)?;
        for record in records {
            if !upsert(&transaction, record).map_err(failed)? && record.state == State::Done {
                let same = holds(&transaction, record).map_err(failed)?;
                if !same {
                    let id = Reader::name_of(&transaction, record.key()).map_err(failed)?;
                    return Err(RationaleError::Conflict { path: path.clone(), id });
                }
            }
        }
        transaction.commit().map_err(failed)
    }

    /// Counts attempts of a source that brought nothing, by kind.
    pub fn count_faults(&mut self, source: u32, kind: &str, count: u64) -> Result<(), RationaleError> {
        let failed = |source| RationaleError::Database { path: self.reader.path().to_owned(), source };
        self.reader
            .connection()
            .prepare_cached(
                "INSERT INTO fault (source, kind, count) VALUES (?, ?, ?)
                 ON CONFLICT DO UPDATE SET count = count + excluded.count",
            )
            .and_then(|mut statement| statement.execute(params![source, kind, count as i64]))
            .map_err(failed)?;
        Ok(())
    }

    /// Removes all verdicts.
    pub fn clear_verdicts(&mut self) -> Result<(), RationaleError> {
        let failed = |source| RationaleError::Database { path: self.reader.path().to_owned(), source };
        self.reader.connection().execute("DELETE FROM verdict", []).map_err(failed)?;
        Ok(())
    }

    /// Writes verdicts in one transaction, replacing older ones on the same completions.
    pub fn put_verdicts(&mut self, verdicts: &[(CompletionKey, Verdict)]) -> Result<(), RationaleError> {
        let path = self.reader.path().to_owned();
        let failed = |source| RationaleError::Database { path: path.clone(), source };
        let transaction = self.reader.connection_mut().transaction().map_err(failed)?;
        {
            let mut statement = transaction
                .prepare_cached("INSERT OR REPLACE INTO verdict (id, keep, reason, detail) VALUES (?, ?, ?, ?)")
                .map_err(failed)?;
            for (key, verdict) in verdicts {
                let reason = verdict.reason();
                statement
                    .execute(params![
                        key.0,
                        verdict.is_keep(),
                        reason.map(|reason| reason.code()),
                        reason.map(ToString::to_string)
                    ])
                    .map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }
}

fn lock(path: &Path) -> Result<File, RationaleError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |source| RationaleError::Write { path: path.to_owned(), source };
    let file = File::create(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RationaleError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(schema::TABLES)?;
    transaction.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", schema::VERSION)?;
    transaction.commit()
}

fn known_example(transaction: &Transaction<'_>, key: ExampleKey) -> rusqlite::Result<Option<Example>> {
    transaction
        .prepare_cached("SELECT example, task, question, gold FROM example WHERE id = ?")?
        .query_row([key.0], |row| {
            Ok(Example { id: row.get(0)?, task: row.get(1)?, question: row.get(2)?, gold: row.get(3)? })
        })
        .optional()
}

fn insert_example(
    transaction: &Transaction<'_>,
    source: u32,
    key: ExampleKey,
    example: &Example,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO example (id, source, example, task, question, gold) VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![key.0, source, example.id, example.task, example.question, example.gold])?;
    Ok(())
}

/// Writes a record unless a finished one is there; whether it was written.
fn upsert(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<bool> {
    let Record { completion, accounting, failure, .. } = record;
    let text = |finish: &Option<crate::teacher::Finish>| finish.clone().map(String::from);
    let written = transaction
        .prepare_cached(
            "INSERT INTO completion (id, example, completion_index, state, prompt, parameters, seed, rationale, finish, marker,
                 prediction, answer_finish, failure, failure_detail, model, response, prompt_tokens, completion_tokens,
                 cost_usd, mean_logprob, arrived_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
             ON CONFLICT DO UPDATE SET state = ?4, prompt = ?5, parameters = ?6, seed = ?7, rationale = ?8, finish = ?9,
                 marker = ?10, prediction = ?11, answer_finish = ?12, failure = ?13, failure_detail = ?14, model = ?15,
                 response = ?16, prompt_tokens = ?17, completion_tokens = ?18, cost_usd = ?19, mean_logprob = ?20,
                 arrived_ms = ?21
             WHERE state <> 'done'",
        )?
        .execute(params![
            record.key().0,
            record.example.0,
            completion.index,
            record.state.as_str(),
            completion.prompt,
            completion.parameters,
            completion.seed.map(|seed| seed as i64),
            completion.rationale,
            text(&completion.finish),
            completion.marker,
            completion.prediction,
            text(&completion.answer_finish),
            failure.as_ref().map(|failure| &failure.code),
            failure.as_ref().map(|failure| &failure.detail),
            accounting.model,
            accounting.response,
            accounting.prompt_tokens.map(|tokens| tokens as i64),
            accounting.completion_tokens.map(|tokens| tokens as i64),
            accounting.cost_usd,
            accounting.mean_logprob,
            accounting.arrived_ms.map(|time| time as i64),
        ])?;
    Ok(written == 1)
}

/// Whether the store holds this completion word for word.
fn holds(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<bool> {
    let known = Reader::completion(transaction, record.key())?;
    Ok(known.is_some_and(|(_, known)| known == record.completion))
}
