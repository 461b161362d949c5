//! The store's reading side.

use std::path::{Path, PathBuf};

use pupil_models::digest::Digest;
use pupil_models::durable;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, Row};

use super::record::{CompletionKey, ExampleKey, RationaleRow, State};
use super::store::SourceRecord;
use super::{RationaleError, schema};
use crate::dataset::Example;
use crate::teacher::{Completion, Finish};

/// Columns of a completion, in the order of [`completion_of`].
const COMPLETION: &str =
    "completion_index, prompt, parameters, seed, rationale, finish, marker, prediction, answer_finish";

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

/// How far a source is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Registered examples.
    pub examples: u64,
    /// Finished completions.
    pub done: u64,
    /// Completions whose answer has still to be asked for.
    pub partial: u64,
    /// Completions that failed.
    pub failed: u64,
    /// Tokens of the prompts of all completions, as the teacher counts them.
    pub prompt_tokens: u64,
    /// Tokens of the replies.
    pub completion_tokens: u64,
    /// What they cost, in US dollars.
    pub cost_usd: f64,
}

impl Reader {
    /// Opens the store at `path` for reading.
    ///
    /// # Errors
    /// There is none; the file is not a store, or of another version.
    pub fn open(path: &Path) -> Result<Self, RationaleError> {
        std::fs::metadata(path).map_err(|source| RationaleError::Read { path: path.to_owned(), source })?;
        let failed = |source| RationaleError::Database { path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
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
        let damaged = |source: rusqlite::Error| refuse("an SQLite database", source.to_string());
        let application = number("application_id").map_err(damaged)?;
        let version = number("user_version").map_err(damaged)?;
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(damaged)?;
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

    fn failed(&self, source: rusqlite::Error) -> RationaleError {
        RationaleError::Database { path: self.path.clone(), source }
    }

    /// The registered sources, by number.
    pub fn sources(&self) -> Result<Vec<SourceRecord>, RationaleError> {
        let read =
            |row: &Row<'_>| Ok(SourceRecord { number: row.get(0)?, teacher: row.get(1)?, settings: row.get(2)? });
        let mut statement = self
            .connection
            .prepare("SELECT id, teacher, settings FROM source ORDER BY id")
            .map_err(|source| self.failed(source))?;
        let rows = statement.query_map([], read).map_err(|source| self.failed(source))?;
        rows.collect::<Result<_, _>>().map_err(|source| self.failed(source))
    }

    /// How far a source is.
    pub fn progress(&self, source: u32) -> Result<Progress, RationaleError> {
        let (first, end) = (ExampleKey::new(source, 0), ExampleKey::new(source + 1, 0));
        let read = || {
            let examples: i64 =
                self.connection
                    .query_row("SELECT count(*) FROM example WHERE source = ?", [source], |row| row.get(0))?;
            self.connection.query_row(
                "SELECT count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state = 'partial'),
                        count(*) FILTER (WHERE state = 'failed'), coalesce(sum(prompt_tokens), 0),
                        coalesce(sum(completion_tokens), 0), coalesce(sum(cost_usd), 0.0)
                 FROM completion WHERE id >= ? AND id < ?",
                [first.completion(0).0, end.completion(0).0],
                |row| {
                    let count = |column| row.get::<_, i64>(column).map(|count| count as u64);
                    Ok(Progress {
                        examples: examples as u64,
                        done: count(0)?,
                        partial: count(1)?,
                        failed: count(2)?,
                        prompt_tokens: count(3)?,
                        completion_tokens: count(4)?,
                        cost_usd: row.get(5)?,
                    })
                },
            )
        };
        read().map_err(|source| self.failed(source))
    }

    /// States of the completions that an example has, by index.
    pub fn states(&self, example: ExampleKey) -> Result<Vec<(u32, State)>, RationaleError> {
        let read = || {
            let (first, end) = (example.completion(0).0, ExampleKey(example.0 + 1).completion(0).0);
            let mut statement = self.connection.prepare_cached(
                "SELECT completion_index, state FROM completion WHERE id >= ? AND id < ? ORDER BY id",
            )?;
            let rows = statement.query_map([first, end], |row| Ok((row.get(0)?, state_of(row, 1)?)))?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|source| self.failed(source))
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
            .query_row([key.0], |row| Ok((state_of(row, 9)?, completion_of(row, 0)?)))
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
        self.visit_where("completion.state = 'done'", [], visit)
    }

    /// As [`Self::visit`], those that the latest filter kept.
    pub fn visit_kept<E: From<RationaleError>>(&self, visit: impl FnMut(Stored) -> Result<(), E>) -> Result<(), E> {
        self.visit_where("completion.id IN (SELECT id FROM verdict WHERE keep)", [], visit)
    }

    /// As [`Self::visit`], those of one example, in all sources.
    pub fn visit_example<E: From<RationaleError>>(
        &self,
        example: &str,
        visit: impl FnMut(Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        // The sources are named, because the index begins with them.
        let condition = "completion.state = 'done' AND completion.example IN (
            SELECT id FROM example WHERE source IN (SELECT id FROM source) AND example = ?)";
        self.visit_where(condition, [example], visit)
    }

    /// Calls `visit` with id, reason and detail of every completion that the latest filter rejected, in the order of the
    /// experiment; for one reason's code, or for all.
    ///
    /// # Errors
    /// The first error of `visit`, or the database's.
    pub fn visit_rejected<E: From<RationaleError>>(
        &self,
        reason: Option<&str>,
        mut visit: impl FnMut(&str, &str, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT example.example || '#' || completion_index, reason, coalesce(detail, '') FROM verdict
                 JOIN completion ON completion.id = verdict.id JOIN example ON example.id = completion.example
                 WHERE NOT keep AND (?1 IS NULL OR reason = ?1) ORDER BY verdict.id",
            )
            .map_err(|source| self.failed(source))?;
        let mut rows = statement.query([reason]).map_err(|source| self.failed(source))?;
        while let Some(row) = rows.next().map_err(|source| self.failed(source))? {
            let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
            let read = || Ok((text(0)?, text(1)?, text(2)?));
            let (id, reason, detail) = read().map_err(|source| self.failed(source))?;
            visit(id, reason, detail)?;
        }
        Ok(())
    }

    /// Whether the latest filter gave any verdict.
    pub fn is_judged(&self) -> Result<bool, RationaleError> {
        self.connection
            .query_row("SELECT EXISTS (SELECT 1 FROM verdict)", [], |row| row.get(0))
            .map_err(|source| self.failed(source))
    }

    /// Writes a copy of the store to `path`, whole or not at all, while it may be written to.
    ///
    /// # Errors
    /// There is something at `path`; the disk refuses.
    pub fn copy_to(&self, path: &Path) -> Result<(), RationaleError> {
        let failed = |source| RationaleError::Write { path: path.to_owned(), source };
        if path.exists() {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        let staged = durable::staging_path(path);
        let copied = self
            .connection
            .execute("VACUUM INTO ?", [staged.to_string_lossy()])
            .map_err(|source| self.failed(source))
            .and_then(|_| {
                std::fs::File::open(&staged)
                    .and_then(|file| file.sync_all())
                    .and_then(|()| std::fs::rename(&staged, path))
                    .and_then(|()| durable::sync_folder(path))
                    .map_err(failed)
            });
        if copied.is_err() {
            // The copy's own error matters more than a leftover that is removed when the run is opened.
            let _ = std::fs::remove_file(&staged);
        }
        copied
    }

    fn visit_where<E: From<RationaleError>>(
        &self,
        condition: &str,
        parameters: impl Params,
        mut visit: impl FnMut(Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        let columns = COMPLETION;
        let mut statement = self
            .connection
            .prepare(&format!(
                "SELECT {columns}, completion.id, teacher, example.example, task, question, gold FROM completion
                 JOIN example ON example.id = completion.example JOIN source ON source.id = example.source
                 WHERE {condition} ORDER BY completion.id"
            ))
            .map_err(|source| self.failed(source))?;
        let mut rows = statement.query(parameters).map_err(|source| self.failed(source))?;
        while let Some(row) = rows.next().map_err(|source| self.failed(source))? {
            visit(stored_of(row).map_err(|source| self.failed(source))?)?;
        }
        Ok(())
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

fn stored_of(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        key: CompletionKey(row.get(9)?),
        row: RationaleRow {
            example: Example { id: row.get(11)?, task: row.get(12)?, question: row.get(13)?, gold: row.get(14)? },
            teacher: row.get(10)?,
            completion: completion_of(row, 0)?,
        },
    })
}

fn completion_of(row: &Row<'_>, first: usize) -> rusqlite::Result<Completion> {
    let finish = |column| row.get::<_, Option<String>>(column).map(|reason| reason.map(Finish::from));
    Ok(Completion {
        index: row.get(first)?,
        prompt: row.get(first + 1)?,
        parameters: row.get(first + 2)?,
        seed: row.get::<_, Option<i64>>(first + 3)?.map(|seed| seed as u64),
        rationale: row.get(first + 4)?,
        finish: finish(first + 5)?,
        marker: row.get(first + 6)?,
        prediction: row.get(first + 7)?,
        answer_finish: finish(first + 8)?,
    })
}

fn state_of(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let text: String = row.get(column)?;
    State::parse(&text).ok_or_else(|| rusqlite::Error::InvalidColumnType(column, text, rusqlite::types::Type::Text))
}
