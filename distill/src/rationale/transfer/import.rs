//! Into a store.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::lines::Lines;
use super::{ExchangedRow, parquet_reader};
use crate::dataset::Example;
use crate::rationale::{ExampleKey, MOST_COMPLETIONS, Outcome, RationaleError, Record, SourceRecord, Store};

/// Rows that are written in one transaction.
const BULK_ROWS: usize = 2048;
/// Bytes of texts in one transaction, but for its last row.
const BULK_BYTES: usize = 8 << 20;

/// Where imported rows find their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Only at examples that are registered: those of an experiment.
    Registered,
    /// Anywhere: teachers and examples that the store does not know are registered in the order in which they come.
    Free,
}

/// A line or row that was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The file.
    pub path: PathBuf,
    /// Line or row, counted from 1; 0 if it is the whole file.
    pub line: u64,
    /// What is accepted.
    pub expected: &'static str,
    /// What was found.
    pub found: String,
}

/// What became of the rows of all files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows that are in the store now and were not before.
    pub written: u64,
    /// Rows that were in the store already.
    pub same: u64,
    /// Lines, rows and files that were not imported; each was named.
    pub bad: u64,
}

/// Imports `files`, JSONL or Parquet as [`super::export`] writes them; importing again changes nothing.
///
/// Every good row is imported, and every bad one named to `name_bad`.
///
/// # Errors
/// A file cannot be opened; the store cannot be written. What was imported before stays.
pub fn import(
    store: &mut Store,
    files: &[PathBuf],
    placement: Placement,
    name_bad: &mut dyn FnMut(BadRow),
) -> Result<ImportReport, RationaleError> {
    let sources = store.sources()?;
    let mut import = Import {
        store,
        placement,
        sources,
        ends: HashMap::new(),
        last: None,
        report: ImportReport::default(),
        name_bad,
    };
    for path in files {
        let mut bulk = Bulk::default();
        if is_parquet(path)? {
            import.read_parquet(path, &mut bulk)?;
        } else {
            import.read_lines(path, &mut bulk)?;
        }
        import.write(path, &mut bulk)?;
    }
    Ok(import.report)
}

fn is_parquet(path: &Path) -> Result<bool, RationaleError> {
    let mut start = [0; 4];
    let mut file = File::open(path).map_err(|source| RationaleError::Read { path: path.to_owned(), source })?;
    match file.read_exact(&mut start) {
        Ok(()) => Ok(&start == b"PAR1"),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(source) => Err(RationaleError::Read { path: path.to_owned(), source }),
    }
}

/// Rows on their way into one transaction.
#[derive(Default)]
struct Bulk {
    rows: Vec<(u64, ExchangedRow)>,
    bytes: usize,
}

struct Import<'a> {
    store: &'a mut Store,
    placement: Placement,
    sources: Vec<SourceRecord>,
    /// Positions after the last example, by source.
    ends: HashMap<u32, u64>,
    /// Rows of one example come together.
    last: Option<(Option<u32>, String, Example, ExampleKey)>,
    report: ImportReport,
    name_bad: &'a mut dyn FnMut(BadRow),
}

/// A row is placed, or bad: expected, found.
type Placed<T> = Result<Result<T, (&'static str, String)>, RationaleError>;

impl Import<'_> {
    fn bad(&mut self, path: &Path, line: u64, expected: &'static str, found: String) {
        self.report.bad += 1;
        (self.name_bad)(BadRow { path: path.to_owned(), line, expected, found });
    }

    fn read_lines(&mut self, path: &Path, bulk: &mut Bulk) -> Result<(), RationaleError> {
        let unreadable = |source| RationaleError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mut lines = Lines::new(BufReader::with_capacity(1 << 18, file));
        let mut is_empty = true;
        while let Some((number, line)) = lines.next().map_err(unreadable)? {
            is_empty = false;
            let row = line.and_then(|line| {
                serde_json::from_str(line)
                    .map_err(|error| error.to_string().replace(" at line 1 column ", " at column "))
            });
            self.take(path, number, row, bulk)?;
        }
        if is_empty {
            self.bad(path, 0, "at least one rationale", "none".to_owned());
        }
        Ok(())
    }

    fn read_parquet(&mut self, path: &Path, bulk: &mut Bulk) -> Result<(), RationaleError> {
        /// Either the file is refused as a whole, or the store fails.
        enum Stop {
            File(String),
            Store(RationaleError),
        }
        let read = parquet_reader::read(path, Stop::File, |number, row| {
            self.take(path, number, row, bulk).map_err(Stop::Store)
        });
        match read {
            Err(Stop::Store(error)) => Err(error),
            Err(Stop::File(found)) => {
                self.bad(path, 0, "a Parquet file of rationales", found);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn take(
        &mut self,
        path: &Path,
        number: u64,
        row: Result<ExchangedRow, String>,
        bulk: &mut Bulk,
    ) -> Result<(), RationaleError> {
        match row {
            Err(found) => self.bad(path, number, "a rationale", found),
            Ok(row) if row.completion.index >= MOST_COMPLETIONS => {
                self.bad(path, number, "a completion index below 2^20", row.completion.index.to_string());
            }
            Ok(row) => {
                bulk.bytes += row.size_bytes();
                bulk.rows.push((number, row));
            }
        }
        if bulk.rows.len() >= BULK_ROWS || bulk.bytes >= BULK_BYTES { self.write(path, bulk) } else { Ok(()) }
    }

    /// Writes the rows in one transaction, then counts and names what became of them.
    fn write(&mut self, path: &Path, bulk: &mut Bulk) -> Result<(), RationaleError> {
        bulk.bytes = 0;
        let rows = std::mem::take(&mut bulk.rows);
        let mut bad = Vec::new();
        let (mut written, mut same) = (0, 0);
        self.atomically(|import| {
            let (mut names, mut records) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
            for (number, row) in rows {
                match import.place(&row)? {
                    Ok(key) => {
                        names.push((
                            number,
                            format!("`{}#{}` of `{}`", row.example.id, row.completion.index, row.teacher),
                        ));
                        records.push(Record::done(key, row.completion));
                    }
                    Err((expected, found)) => bad.push((number, expected, found)),
                }
            }
            for ((number, name), outcome) in names.into_iter().zip(import.store.offer(&records)?) {
                match outcome {
                    Outcome::Written => written += 1,
                    Outcome::Same => same += 1,
                    Outcome::Conflict => {
                        bad.push((number, "the completion that the store holds", format!("another {name}")));
                    }
                }
            }
            bad.sort_unstable_by_key(|(number, ..)| *number);
            Ok(())
        })?;
        self.report.written += written;
        self.report.same += same;
        for (number, expected, found) in bad {
            self.bad(path, number, expected, found);
        }
        Ok(())
    }

    fn atomically(&mut self, work: impl FnOnce(&mut Self) -> Result<(), RationaleError>) -> Result<(), RationaleError> {
        self.store.begin()?;
        let worked = work(self);
        self.store.end(worked)
    }

    /// The place of the row's example, registered if it has to be.
    fn place(&mut self, row: &ExchangedRow) -> Placed<ExampleKey> {
        if let Some((source, teacher, example, key)) = &self.last
            && (*source, teacher, example) == (row.source, &row.teacher, &row.example)
        {
            return Ok(Ok(*key));
        }
        let place = self.find(row)?;
        let key = match (place, self.placement) {
            (Some(key), _) => {
                let known = self.store.example(key)?;
                if known.as_ref() != Some(&row.example) {
                    let expected = "the question and gold answer that the store holds";
                    return Ok(Err((expected, format!("another example `{}`", row.example.id))));
                }
                key
            }
            (None, Placement::Registered) => {
                let expected = "an example and a teacher of the experiment";
                return Ok(Err((expected, format!("`{}` of `{}`", row.example.id, row.teacher))));
            }
            (None, Placement::Free) => self.register(row)?,
        };
        self.last = Some((row.source, row.teacher.clone(), row.example.clone(), key));
        Ok(Ok(key))
    }

    /// The sources of the row's teacher: its own first, where it says which that is.
    fn candidates(&self, row: &ExchangedRow) -> Vec<u32> {
        let of_teacher = self.sources.iter().filter(|source| source.teacher == row.teacher);
        let mut candidates: Vec<u32> = of_teacher.map(|source| source.number).collect();
        candidates.sort_by_key(|&number| (Some(number) != row.source, number));
        candidates
    }

    fn find(&self, row: &ExchangedRow) -> Result<Option<ExampleKey>, RationaleError> {
        for source in self.candidates(row) {
            let place = self.store.find(source, &row.example.id)?;
            if place.is_some() {
                return Ok(place);
            }
            // A new store becomes what the old one was, with the same example in several sources.
            if self.placement == Placement::Free && Some(source) == row.source {
                break;
            }
        }
        Ok(None)
    }

    fn register(&mut self, row: &ExchangedRow) -> Result<ExampleKey, RationaleError> {
        let known = self.candidates(row).first().copied();
        let is_free = |number: &u32| self.sources.iter().all(|source| source.number != *number);
        let source = match (row.source.filter(is_free), known) {
            (None, Some(known)) => known,
            (wanted, _) => {
                let next = self.sources.iter().map(|source| source.number + 1).max().unwrap_or(0);
                let number = wanted.unwrap_or(next);
                let source = SourceRecord { number, teacher: row.teacher.clone(), settings: "{}".to_owned() };
                self.store.register(&source, &[])?;
                self.sources.push(source);
                number
            }
        };
        let position = match self.ends.get(&source) {
            Some(&end) => end,
            None => self.store.end_of(source)?,
        };
        let key = ExampleKey::new(source, position);
        self.store.register_examples(&[(key, row.example.clone())])?;
        self.ends.insert(source, position + 1);
        Ok(key)
    }
}
