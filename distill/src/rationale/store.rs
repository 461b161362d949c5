//! The store's writing side: the one writer, its lock, and how the file is opened and closed.

use std::fs::{File, TryLockError};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pupil_models::durable;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::reader::Reader;
use super::record::{CompletionKey, ExampleKey, Record};
use super::write::{self, Outcome};
use super::{Difference, RationaleError, schema};
use crate::dataset::Example;
use crate::filter::Verdict;

/// How long a write waits for a reader that is in its way.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long emptying the log waits for readers, of whom a page of long completions on a slow machine can take half a second; it is
/// tried again later.
const LOG_PATIENCE: Duration = Duration::from_secs(3);

/// Between two attempts at emptying the log.
const LOG_PAUSE: Duration = Duration::from_millis(10);

/// Bytes of the write-ahead log from which on it is emptied.
const LOG_BYTES: u64 = 32 << 20;

/// Memory for pages: the index of a million examples, into which new ones go at any place, fits.
const CACHE_KIB: i64 = 32 << 10;

/// A rationale store, open for writing; there is one writer at a time, and this process is it.
pub struct Store {
    // Closed before the lock is given back.
    reader: Reader,
    log: Log,
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

/// The write-ahead log, which grows for as long as some reader is in its way.
struct Log {
    path: PathBuf,
    limit_bytes: u64,
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
    /// Another process has it open for writing; the file is not a store, damaged, or of another version; the disk refuses.
    pub fn open(path: &Path) -> Result<Self, RationaleError> {
        let lock = lock(path)?;
        let failed = |source| RationaleError::database(path, source);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        let is_new = Reader::require_ours(&connection, path)?;
        if !is_new {
            Reader::require_whole(&connection, path)?;
        }
        prepare(&mut connection, is_new).map_err(failed)?;
        if is_new {
            durable::sync_folder(path).map_err(|source| RationaleError::Write { path: path.to_owned(), source })?;
        }
        let log = Log { path: beside(path, "-wal"), limit_bytes: LOG_BYTES };
        Ok(Self { reader: Reader::over(connection, path), log, _lock: lock })
    }

    fn failed(&self, source: rusqlite::Error) -> RationaleError {
        RationaleError::database(self.reader.path(), source)
    }

    /// Registers a source and its examples, each at its position in the experiment; does nothing if they are there already.
    ///
    /// A shard registers the examples that it asks about, with the positions that they have in the whole.
    ///
    /// # Errors
    /// The store holds the source with another teacher, other settings, or other examples. Nothing is registered then.
    pub fn register(&mut self, source: &SourceRecord, examples: &[(u64, Example)]) -> Result<(), RationaleError> {
        let path = self.reader.path().to_owned();
        let failed = |source| RationaleError::database(&path, source);
        let out_of_range =
            |expected: String, found: String| RationaleError::Store { path: path.clone(), expected, found };
        if source.number >= schema::MOST_SOURCES {
            let expected = format!("at most {} sources", schema::MOST_SOURCES);
            return Err(out_of_range(expected, format!("source {}", source.number)));
        }
        if let Some(known) = self.reader.source(source.number)? {
            let differences = Difference::between(&known, source);
            if !differences.is_empty() {
                return Err(RationaleError::OtherSettings { path, number: source.number, differences });
            }
        }
        if let Some((position, _)) = examples.iter().find(|(position, _)| *position >= schema::MOST_EXAMPLES) {
            let expected = format!("at most {} examples of a source", schema::MOST_EXAMPLES);
            return Err(out_of_range(expected, format!("position {position}")));
        }
        let savepoint = self.reader.connection_mut().savepoint().map_err(failed)?;
        write::insert_source(&savepoint, source).map_err(failed)?;
        for (position, example) in examples {
            register_one(&savepoint, &path, ExampleKey::new(source.number, *position), example)?;
        }
        savepoint.commit().map_err(failed)?;
        self.tend_log();
        Ok(())
    }

    /// Registers examples of sources that are registered.
    pub(crate) fn register_examples(&mut self, examples: &[(ExampleKey, Example)]) -> Result<(), RationaleError> {
        let path = self.reader.path().to_owned();
        let failed = |source| RationaleError::database(&path, source);
        let savepoint = self.reader.connection_mut().savepoint().map_err(failed)?;
        for (key, example) in examples {
            register_one(&savepoint, &path, *key, example)?;
        }
        savepoint.commit().map_err(failed)?;
        self.tend_log();
        Ok(())
    }

    /// Goes on with other settings of a source that the store knows: from now on these are expected, and the change is
    /// recorded. The settings that differed; none if the source is new or the same.
    pub fn accept(&mut self, source: &SourceRecord) -> Result<Vec<Difference>, RationaleError> {
        let Some(known) = self.reader.source(source.number)? else { return Ok(Vec::new()) };
        let differences = Difference::between(&known, source);
        if differences.is_empty() {
            return Ok(differences);
        }
        self.atomically(|store| {
            let changes = store.reader.settings_below("accepted/")?.len();
            // Differences are plain structs, which always serialise.
            let change = serde_json::json!({"source": source.number, "differences": differences}).to_string();
            store.set(&format!("accepted/{changes}"), &change)?;
            store
                .reader
                .connection()
                .execute(
                    "UPDATE source SET teacher = ?, settings = ? WHERE id = ?",
                    params![source.teacher, source.settings, source.number],
                )
                .map_err(|source| store.failed(source))?;
            Ok(())
        })?;
        Ok(differences)
    }

    /// Writes `records` in one transaction; once this returns they are on disk.
    ///
    /// A finished completion that is written again word for word changes nothing.
    ///
    /// # Errors
    /// A finished completion would be replaced by a different one; the disk refuses. Nothing of `records` is written then.
    pub fn put(&mut self, records: &[Record]) -> Result<(), RationaleError> {
        self.put_unless(records, true).map(|_| ())
    }

    /// As [`Self::put`], but leaves completions that are there with another text as they are, and says what became of each.
    pub(crate) fn offer(&mut self, records: &[Record]) -> Result<Vec<Outcome>, RationaleError> {
        self.put_unless(records, false)
    }

    fn put_unless(&mut self, records: &[Record], refuse_conflicts: bool) -> Result<Vec<Outcome>, RationaleError> {
        let path = self.reader.path().to_owned();
        let failed = |source| RationaleError::database(&path, source);
        let savepoint = self.reader.connection_mut().savepoint().map_err(failed)?;
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            if record.completion.index >= schema::MOST_COMPLETIONS {
                let expected = format!("completions numbered below {}", schema::MOST_COMPLETIONS);
                let found = format!("number {}", record.completion.index);
                return Err(RationaleError::Store { path, expected, found });
            }
            let outcome = write::put(&savepoint, record).map_err(failed)?;
            if outcome == Outcome::Conflict && refuse_conflicts {
                let id = Reader::name_of(&savepoint, record.key()).map_err(failed)?;
                return Err(RationaleError::Conflict { path: path.clone(), id });
            }
            outcomes.push(outcome);
        }
        savepoint.commit().map_err(failed)?;
        self.tend_log();
        Ok(outcomes)
    }

    /// Counts attempts of a source that brought nothing, by kind.
    pub fn count_faults(&mut self, source: u32, kind: &str, count: u64) -> Result<(), RationaleError> {
        self.reader
            .connection()
            .prepare_cached(
                "INSERT INTO fault (source, kind, count) VALUES (?, ?, ?)
                 ON CONFLICT DO UPDATE SET count = count + excluded.count",
            )
            .and_then(|mut statement| statement.execute(params![source, kind, count as i64]))
            .map_err(|source| self.failed(source))?;
        Ok(())
    }

    /// Notes something about the store itself, replacing what was noted under the same key.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), RationaleError> {
        self.reader
            .connection()
            .prepare_cached(
                "INSERT INTO setting (key, value) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET value = ?2 WHERE value <> ?2",
            )
            .and_then(|mut statement| statement.execute(params![key, value]))
            .map_err(|source| self.failed(source))?;
        Ok(())
    }

    /// Removes all verdicts.
    pub fn clear_verdicts(&mut self) -> Result<(), RationaleError> {
        self.reader.connection().execute("DELETE FROM verdict", []).map_err(|source| self.failed(source))?;
        Ok(())
    }

    /// Writes verdicts in one transaction, replacing older ones on the same completions.
    pub fn put_verdicts(&mut self, verdicts: &[(CompletionKey, Verdict)]) -> Result<(), RationaleError> {
        let path = self.reader.path().to_owned();
        let failed = |source| RationaleError::database(&path, source);
        let savepoint = self.reader.connection_mut().savepoint().map_err(failed)?;
        for (key, verdict) in verdicts {
            write::put_verdict(&savepoint, *key, verdict).map_err(failed)?;
        }
        savepoint.commit().map_err(failed)?;
        self.tend_log();
        Ok(())
    }

    /// Does all of `work`'s writing or, if it fails, none.
    pub(crate) fn atomically<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, RationaleError>,
    ) -> Result<T, RationaleError> {
        self.begin()?;
        let worked = work(self);
        self.end(worked)
    }

    /// Begins a transaction that [`Self::end`] ends; what is written between is in it.
    pub(crate) fn begin(&mut self) -> Result<(), RationaleError> {
        self.reader.connection().execute_batch("BEGIN IMMEDIATE").map_err(|source| self.failed(source))
    }

    /// Commits what was written since [`Self::begin`], or takes it back if the work failed.
    pub(crate) fn end<T>(&mut self, worked: Result<T, RationaleError>) -> Result<T, RationaleError> {
        let run = |statement| self.reader.connection().execute_batch(statement).map_err(|source| self.failed(source));
        let ended = worked.and_then(|value| run("COMMIT").map(|()| value));
        if ended.is_err() {
            // Already rolled back where the disk was full; the first error matters.
            let _ = run("ROLLBACK");
        }
        self.tend_log();
        ended
    }

    /// Empties a long log; where a reader prevents it, later.
    fn tend_log(&mut self) {
        let bytes = std::fs::metadata(&self.log.path).map_or(0, |metadata| metadata.len());
        if bytes > self.log.limit_bytes && self.reader.connection().is_autocommit() {
            let is_empty = self.empty_log();
            self.log.limit_bytes = if is_empty { LOG_BYTES } else { bytes + LOG_BYTES };
        }
    }

    /// Moves the log into the database and cuts it, unless some reader still needs it. A failure loses nothing.
    fn empty_log(&self) -> bool {
        let connection = self.reader.connection();
        // A reader that begins its next page takes the place of its last one, so the database's own wait for that place to be
        // free would be in vain while pages follow each other. Asked anew, it sees that the new page is in nobody's way.
        let try_once = || connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        let started = Instant::now();
        let mut tried = connection.busy_timeout(Duration::ZERO).and_then(|()| try_once());
        while matches!(tried, Ok(busy) if busy != 0) && started.elapsed() < LOG_PATIENCE {
            std::thread::sleep(LOG_PAUSE);
            tried = try_once();
        }
        let _ = connection.busy_timeout(PATIENCE);
        matches!(tried, Ok(0))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The database does this by itself only where no reader has it open.
        self.empty_log();
    }
}

fn register_one(
    connection: &Connection,
    path: &Path,
    key: ExampleKey,
    example: &Example,
) -> Result<(), RationaleError> {
    let described = |example: &Example| format!("example `{}`, {:?}", example.id, example.question);
    let (expected, found) = match write::register_example(connection, key, example) {
        Ok(None) => return Ok(()),
        Ok(Some(known)) => (described(&known), described(example)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => (
            "each example of a registered source once".to_owned(),
            format!("{} at position {}", described(example), key.position()),
        ),
        Err(source) => return Err(RationaleError::database(path, source)),
    };
    Err(RationaleError::OtherSource { path: path.to_owned(), expected, found })
}

fn prepare(connection: &mut Connection, is_new: bool) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    if !is_new {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(schema::TABLES)?;
    transaction.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", schema::VERSION)?;
    transaction.commit()
}

/// The file beside `path` whose name is longer by `suffix`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn lock(path: &Path) -> Result<File, RationaleError> {
    let failed = |source| RationaleError::Write { path: path.to_owned(), source };
    let file = File::create(beside(path, ".lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RationaleError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
