//! Rationales from Parquet, read in small batches whatever the size of the row groups.

use std::fs::File;
use std::path::Path;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::ExchangedRow;
use super::parquet_writer::{NUMBERS, TEXTS};
use crate::dataset::Example;
use crate::teacher::{Completion, Finish};

/// Rows that are read at once from every column.
const BATCH_ROWS: usize = 256;

/// Calls `take` with every row, numbered from 1, or with what is wrong with it; what cannot be decoded is one bad row,
/// numbered as its first, and the reading goes on with the next row group.
///
/// # Errors
/// The file is no Parquet file or lacks a column; the first error of `take`.
pub(super) fn read<E>(
    path: &Path,
    refuse: impl Fn(String) -> E,
    mut take: impl FnMut(u64, std::result::Result<ExchangedRow, String>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let broken = |error: ParquetError| refuse(error.to_string());
    let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let places = Places::find(&reader).map_err(&refuse)?;
    let mut start = 1;
    for group in 0..reader.num_row_groups() {
        let rows = reader.metadata().row_group(group).num_rows().max(0) as u64;
        read_group(&reader, group, &places, start, rows, &mut take)?;
        start += rows;
    }
    Ok(())
}

/// Where each column stands in the file, if it is there.
struct Places {
    texts: [Option<usize>; TEXTS.len()],
    numbers: [Option<usize>; NUMBERS.len()],
}

impl Places {
    fn find(reader: &SerializedFileReader<File>) -> std::result::Result<Self, String> {
        let schema = reader.metadata().file_metadata().schema_descr();
        let find = |(name, is_required): (&str, bool)| {
            let place = schema.columns().iter().position(|column| column.path().string() == name);
            match place {
                None if is_required => Err(format!("no column `{name}`")),
                place => Ok(place),
            }
        };
        let mut places = Self { texts: Default::default(), numbers: Default::default() };
        for (place, column) in places.texts.iter_mut().zip(TEXTS) {
            *place = find(column)?;
        }
        for (place, column) in places.numbers.iter_mut().zip(NUMBERS) {
            *place = find(column)?;
        }
        Ok(places)
    }
}

fn read_group<E>(
    reader: &SerializedFileReader<File>,
    group: usize,
    places: &Places,
    start: u64,
    rows: u64,
    take: &mut impl FnMut(u64, std::result::Result<ExchangedRow, String>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let undecoded = |done: u64, error: &dyn std::fmt::Display| {
        format!("{} rows that cannot be decoded: {error}", rows.saturating_sub(done))
    };
    let mut columns = match Columns::open(reader, group, places) {
        Ok(columns) => columns,
        Err(error) => return take(start, Err(undecoded(0, &error))),
    };
    let mut done = 0;
    while done < rows {
        let wanted = BATCH_ROWS.min((rows - done) as usize);
        let batch = match columns.next(wanted) {
            Ok(batch) => batch,
            Err(error) => return take(start + done, Err(undecoded(done, &error))),
        };
        for row in 0..wanted {
            take(start + done + row as u64, batch.row(row))?;
        }
        done += wanted as u64;
    }
    Ok(())
}

/// The columns of one row group, read in step.
struct Columns {
    texts: Vec<Option<ColumnReader>>,
    numbers: Vec<Option<ColumnReader>>,
}

impl Columns {
    fn open(reader: &SerializedFileReader<File>, group: usize, places: &Places) -> Result<Self> {
        let group = reader.get_row_group(group)?;
        let open = |places: &[Option<usize>]| -> Result<Vec<_>> {
            places.iter().map(|place| place.map(|place| group.get_column_reader(place)).transpose()).collect()
        };
        Ok(Self { texts: open(&places.texts)?, numbers: open(&places.numbers)? })
    }

    fn next(&mut self, rows: usize) -> Result<Batch> {
        let absent = || vec![None; rows];
        let mut batch = Batch { texts: Vec::new(), numbers: Vec::new() };
        for column in &mut self.texts {
            batch.texts.push(match column {
                None => vec![None; rows],
                Some(ColumnReader::ByteArrayColumnReader(column)) => read_column::<ByteArrayType>(column, rows)?,
                Some(_) => return Err(ParquetError::General("a column of text holds something else".to_owned())),
            });
        }
        for column in &mut self.numbers {
            batch.numbers.push(match column {
                None => absent(),
                Some(ColumnReader::Int64ColumnReader(column)) => read_column(column, rows)?,
                Some(ColumnReader::Int32ColumnReader(column)) => {
                    read_column(column, rows)?.into_iter().map(|number: Option<i32>| number.map(i64::from)).collect()
                }
                Some(_) => return Err(ParquetError::General("a column of numbers holds something else".to_owned())),
            });
        }
        Ok(batch)
    }
}

fn read_column<T: DataType>(column: &mut ColumnReaderImpl<T>, rows: usize) -> Result<Vec<Option<T::T>>> {
    let (mut values, mut levels) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let (records, _, _) = column.read_records(rows, Some(&mut levels), None, &mut values)?;
    if records < rows {
        return Err(ParquetError::General("a column ends early".to_owned()));
    }
    // A column in which every row has a value has no levels.
    let is_there = |row: usize| levels.get(row).is_none_or(|&level| level > 0);
    let mut values = values.into_iter();
    Ok((0..rows).map(|row| if is_there(row) { values.next() } else { None }).collect())
}

/// Some rows, column by column.
struct Batch {
    texts: Vec<Vec<Option<ByteArray>>>,
    numbers: Vec<Vec<Option<i64>>>,
}

impl Batch {
    fn row(&self, row: usize) -> std::result::Result<ExchangedRow, String> {
        let optional = |name: &str| -> std::result::Result<Option<String>, String> {
            let column = TEXTS.iter().position(|(known, _)| *known == name);
            let value = column.and_then(|column| self.texts[column][row].as_ref());
            let text = value.map(|value| value.as_utf8().map(str::to_owned));
            text.transpose().map_err(|_| format!("a `{name}` that is not UTF-8"))
        };
        let text = |name: &str| optional(name)?.ok_or_else(|| format!("no `{name}`"));
        let number = |name: &str| {
            let column = NUMBERS.iter().position(|(known, _)| *known == name);
            column.and_then(|column| self.numbers[column][row])
        };
        let small = |name: &str| {
            let small = number(name).map(|number| u32::try_from(number).map_err(|_| format!("{number} as `{name}`")));
            small.transpose()
        };
        Ok(ExchangedRow {
            example: Example { id: text("id")?, task: text("task")?, question: text("question")?, gold: text("gold")? },
            teacher: text("teacher")?,
            source: small("source")?,
            completion: Completion {
                index: small("index")?.ok_or("no `index`")?,
                prompt: optional("prompt")?,
                rationale: text("rationale")?,
                prediction: optional("prediction")?,
                finish: optional("finish")?.map(Finish::from),
                answer_finish: optional("answer_finish")?.map(Finish::from),
                marker: optional("marker")?,
                parameters: optional("parameters")?,
                seed: number("seed").map(|seed| seed as u64),
            },
        })
    }
}
