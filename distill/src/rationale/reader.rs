//! The store's reading side.

use std::path::{Path, PathBuf};

use pupil_models::digest::Digest;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, params};

use super::record::{CompletionKey, ExampleKey, RationaleRow, Record, State};
use super::row::{self, COMPLETION, EXAMPLE, RECORD};
use super::store::{SourceRecord, beside};
use super::{RationaleError, schema};
use crate::dataset::Example;
use crate::filter::SampleWeight;
use crate::teacher::Completion;

/// Rows that are read in one transaction: a transaction that lasts keeps the writer from emptying its log.
const PAGE_ROWS: usize = 512;

/// A rationale store, open for reading; a run may write meanwhile.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// A finished completion with its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Where it belongs.
    pub key: CompletionKey,
    /// Example, teacher, completion.
    pub row: RationaleRow,
}

impl Reader {
    /// Opens the store at `path` for reading.
    ///
    /// # Errors
    /// There is none; the file is not a store, damaged, or of another version.
    pub fn open(path: &Path) -> Result<Self, RationaleError> {
        std::fs::metadata(path).map_err(|source| RationaleError::Read { path: path.to_owned(), source })?;
        let connection = connect(path).map_err(|source| RationaleError::database(path, source))?;
        if Self::require_ours(&connection, path)? {
            return Err(RationaleError::Store {
                path: path.to_owned(),
                expected: "a rationale store".to_owned(),
                found: "an empty database".to_owned(),
            });
        }
        Ok(Self::over(connection, path))
    }

    pub(super) fn over(connection: Connection, path: &Path) -> Self {
        Self { connection, path: path.to_owned() }
    }

    /// Refuses a database that is not ours; whether it is empty.
    pub(super) fn require_ours(connection: &Connection, path: &Path) -> Result<bool, RationaleError> {
        let refuse = |expected: &str, found: String| RationaleError::Store {
            path: path.to_owned(),
            expected: expected.to_owned(),
            found,
        };
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let unreadable = |source: rusqlite::Error| match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => refuse("an SQLite database", source.to_string()),
            _ => RationaleError::database(path, source),
        };
        let application = number("application_id").map_err(unreadable)?;
        let version = number("user_version").map_err(unreadable)?;
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(unreadable)?;
        if application == 0 && tables == 0 {
            return Ok(true);
        }
        if application != schema::APPLICATION_ID {
            return Err(refuse("a rationale store", "a database of another program".to_owned()));
        }
        if version != schema::VERSION {
            return Err(refuse(&format!("version {}", schema::VERSION), format!("version {version}")));
        }
        Ok(false)
    }

    /// Refuses a database whose pages do not fit together.
    pub(super) fn require_whole(connection: &Connection, path: &Path) -> Result<(), RationaleError> {
        let found: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|source| RationaleError::database(path, source))?;
        if found == "ok" { Ok(()) } else { Err(RationaleError::Damaged { path: path.to_owned(), found }) }
    }

    /// The store's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(super) fn failed(&self, source: rusqlite::Error) -> RationaleError {
        RationaleError::database(&self.path, source)
    }

    /// The rows of `query`, in its order; only for queries with few rows.
    pub(super) fn rows<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, RationaleError> {
        let rows =
            || self.connection.prepare_cached(query)?.query_map(parameters, read)?.collect::<rusqlite::Result<_>>();
        rows().map_err(|source| self.failed(source))
    }

    /// The registered sources, by number.
    pub fn sources(&self) -> Result<Vec<SourceRecord>, RationaleError> {
        self.rows("SELECT id, teacher, settings FROM source ORDER BY id", [], |row| {
            Ok(SourceRecord { number: row.get(0)?, teacher: row.get(1)?, settings: row.get(2)? })
        })
    }

    /// The source with this number, if it is registered.
    pub(super) fn source(&self, number: u32) -> Result<Option<SourceRecord>, RationaleError> {
        Ok(self.sources()?.into_iter().find(|source| source.number == number))
    }

    /// What was noted under `key` about the store itself.
    pub fn setting(&self, key: &str) -> Result<Option<String>, RationaleError> {
        Ok(self.rows("SELECT value FROM setting WHERE key = ?", [key], |row| row.get(0))?.pop())
    }

    /// Everything noted under keys that begin with `prefix`, by key.
    pub(super) fn settings_below(&self, prefix: &str) -> Result<Vec<(String, String)>, RationaleError> {
        self.rows(
            "SELECT key, value FROM setting WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key",
            [prefix],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// Whether any rationale got a verdict.
    pub fn has_verdicts(&self) -> Result<bool, RationaleError> {
        Ok(!self.rows("SELECT 1 FROM verdict LIMIT 1", [], |_| Ok(()))?.is_empty())
    }

    /// Where an example stands in a source, if it is registered there.
    pub fn find(&self, source: u32, example: &str) -> Result<Option<ExampleKey>, RationaleError> {
        let query = "SELECT id FROM example WHERE source = ? AND example = ?";
        Ok(self.rows(query, params![source, example], |row| row.get(0).map(ExampleKey))?.pop())
    }

    /// The registered example at this place.
    pub fn example(&self, key: ExampleKey) -> Result<Option<Example>, RationaleError> {
        let query = format!("SELECT {EXAMPLE} FROM example WHERE id = ?");
        Ok(self.rows(&query, [key.0], |found| row::example_of(found, 0))?.pop())
    }

    /// The position after a source's last registered example.
    pub(super) fn end_of(&self, source: u32) -> Result<u64, RationaleError> {
        let (first, end) = (ExampleKey::new(source, 0), ExampleKey::new(source + 1, 0));
        let query = "SELECT max(id) FROM example WHERE id >= ? AND id < ?";
        let last = self.rows(query, [first.0, end.0], |row| row.get::<_, Option<i64>>(0))?;
        Ok(last.first().copied().flatten().map_or(0, |last| schema::position_of(last) + 1))
    }

    /// States of the completions that an example has, by index.
    pub fn states(&self, example: ExampleKey) -> Result<Vec<(u32, State)>, RationaleError> {
        let (first, end) = (example.completion(0).0, ExampleKey(example.0 + 1).completion(0).0);
        self.rows(
            "SELECT completion_index, state FROM completion WHERE id >= ? AND id < ? ORDER BY id",
            [first, end],
            |found| Ok((found.get(0)?, row::state_of(found, 1)?)),
        )
    }

    /// Calls `visit` with the state of every completion of a source, in the order of the experiment.
    ///
    /// # Errors
    /// The first error of `visit`, or the database's.
    pub fn visit_states<E: From<RationaleError>>(
        &self,
        source: u32,
        mut visit: impl FnMut(ExampleKey, u32, State) -> Result<(), E>,
    ) -> Result<(), E> {
        let (first, end) = (ExampleKey::new(source, 0).completion(0).0, ExampleKey::new(source + 1, 0).completion(0).0);
        let query = format!(
            "SELECT id, completion_index, state FROM completion WHERE id > ? AND id < {end} ORDER BY id LIMIT {PAGE_ROWS}"
        );
        self.pages(
            &query,
            first - 1,
            |found| Ok((found.get(0)?, (CompletionKey(found.get(0)?), found.get(1)?, row::state_of(found, 2)?))),
            |(key, index, state)| visit(key.example(), index, state),
        )
    }

    /// One completion and its state, if the store holds it.
    pub fn get(&self, key: CompletionKey) -> Result<Option<(State, Completion)>, RationaleError> {
        Self::completion(&self.connection, key).map_err(|source| self.failed(source))
    }

    pub(super) fn completion(
        connection: &Connection,
        key: CompletionKey,
    ) -> rusqlite::Result<Option<(State, Completion)>> {
        connection
            .prepare_cached(&format!("SELECT {COMPLETION}, state FROM completion WHERE id = ?"))?
            .query_row([key.0], |found| Ok((row::state_of(found, 9)?, row::completion_of(found, 0)?)))
            .optional()
    }

    /// The name of a completion, such as `coin_flip/12#0`.
    pub(super) fn name_of(connection: &Connection, key: CompletionKey) -> rusqlite::Result<String> {
        connection.query_row(
            "SELECT example.example || '#' || completion_index FROM completion
             JOIN example ON example.id = completion.example WHERE completion.id = ?",
            [key.0],
            |row| row.get(0),
        )
    }

    /// Calls `visit` with every finished completion, in the order of the experiment; holds one at a time.
    ///
    /// # Errors
    /// The first error of `visit`, or the database's.
    pub fn visit<E: From<RationaleError>>(&self, visit: impl FnMut(Stored) -> Result<(), E>) -> Result<(), E> {
        self.visit_where("state = 'done'", visit)
    }

    /// As [`Self::visit`], those that the latest filter kept, and how much each counts.
    pub fn visit_kept<E: From<RationaleError>>(
        &self,
        mut visit: impl FnMut(Stored, SampleWeight) -> Result<(), E>,
    ) -> Result<(), E> {
        let query = joined("CROSS JOIN verdict ON verdict.id = completion.id", "keep", ", verdict.weight");
        let read = |found: &Row<'_>| {
            let stored = row::stored_of(found)?;
            Ok((stored.key.0, (stored, row::weight_of(found, row::STORED_COLUMNS)?)))
        };
        self.pages(&query, -1, read, |(stored, weight)| visit(stored, weight))
    }

    /// As [`Self::visit`], those of one example, in all sources.
    pub fn visit_example<E: From<RationaleError>>(
        &self,
        example: &str,
        mut visit: impl FnMut(Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        for source in self.sources()? {
            if let Some(key) = self.find(source.number, example)? {
                self.visit_where(&format!("state = 'done' AND completion.example = {}", key.0), &mut visit)?;
            }
        }
        Ok(())
    }

    fn visit_where<E: From<RationaleError>>(
        &self,
        condition: &str,
        visit: impl FnMut(Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        let query = joined("", condition, "");
        self.pages(&query, -1, |found| row::stored_of(found).map(|stored| (stored.key.0, stored)), visit)
    }

    /// Calls `visit` with every completion whatever its state, with its accounting, in the order of the experiment.
    ///
    /// # Errors
    /// The first error of `visit`, or the database's.
    pub fn visit_records<E: From<RationaleError>>(&self, visit: impl FnMut(Record) -> Result<(), E>) -> Result<(), E> {
        let query = format!("SELECT {RECORD} FROM completion WHERE id > ? ORDER BY id LIMIT {PAGE_ROWS}");
        self.pages(&query, -1, |found| row::record_of(found).map(|record| (record.key().0, record)), visit)
    }

    /// Calls `visit` with every registered example, in the order of the experiment.
    ///
    /// # Errors
    /// The first error of `visit`, or the database's.
    pub fn visit_examples<E: From<RationaleError>>(
        &self,
        mut visit: impl FnMut(ExampleKey, Example) -> Result<(), E>,
    ) -> Result<(), E> {
        let query = format!("SELECT {EXAMPLE}, id FROM example WHERE id > ? ORDER BY id LIMIT {PAGE_ROWS}");
        let read = |found: &Row<'_>| {
            let key: i64 = found.get(4)?;
            Ok((key, (ExampleKey(key), row::example_of(found, 0)?)))
        };
        self.pages(&query, -1, read, |(key, example)| visit(key, example))
    }

    /// Reads `query`, which asks for [`PAGE_ROWS`] rows after a key, again and again, each time in a transaction of its own.
    fn pages<T, E: From<RationaleError>>(
        &self,
        query: &str,
        mut last: i64,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<(i64, T)>,
        mut visit: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |source| self.failed(source);
        let mut statement = self.connection.prepare(query).map_err(failed)?;
        loop {
            let mut rows = statement.query([last]).map_err(failed)?;
            let mut count = 0;
            while let Some(found) = rows.next().map_err(failed)? {
                let (key, value) = read(found).map_err(failed)?;
                visit(value)?;
                last = key;
                count += 1;
            }
            if count < PAGE_ROWS {
                return Ok(());
            }
        }
    }

    /// SHA-256 over every finished completion in the order of the experiment: equal for equal data, however it arrived.
    pub fn digest(&self) -> Result<Digest, RationaleError> {
        let mut lines = Vec::new();
        let mut parts = Vec::new();
        self.visit(|stored| {
            // Rows are plain structs, which always serialise.
            lines.extend(serde_json::to_vec(&stored.row).unwrap_or_default());
            if lines.len() > 1 << 20 {
                parts.extend_from_slice(Digest::of(&lines).to_string().as_bytes());
                lines.clear();
            }
            Ok::<(), RationaleError>(())
        })?;
        parts.extend_from_slice(Digest::of(&lines).to_string().as_bytes());
        Ok(Digest::of(&parts))
    }
}

/// The query for a page of completions with their examples, and what is to be known besides.
fn joined(more_tables: &str, condition: &str, more_columns: &str) -> String {
    // `CROSS JOIN` fixes the order of the loops, so that rows come sorted without a sorter that holds them all.
    format!(
        "SELECT {COMPLETION}, completion.id, teacher, {EXAMPLE}{more_columns} FROM completion {more_tables}
         CROSS JOIN example ON example.id = completion.example CROSS JOIN source ON source.id = example.source
         WHERE completion.id > ? AND {condition} ORDER BY completion.id LIMIT {PAGE_ROWS}"
    )
}

/// Opens the database for reading, also where the folder cannot be written to.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // With the right to write, the last one to close removes the log and its index; without it they would stay.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let probe = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let is_closed = std::fs::metadata(beside(path, "-wal")).map_or(true, |metadata| metadata.len() == 0);
    let refused = [Some(ErrorCode::CannotOpen), Some(ErrorCode::ReadOnly)];
    match probe {
        // Readers share memory through a file beside the database; where that cannot be made, nobody can write either.
        Err(error) if is_closed && refused.contains(&error.sqlite_error_code()) => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(immutable(path), flags | OpenFlags::SQLITE_OPEN_URI)
        }
        _ => {
            connection.pragma_update(None, "query_only", "ON")?;
            Ok(connection)
        }
    }
}

fn immutable(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let escaped = absolute.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{escaped}?immutable=1")
}
