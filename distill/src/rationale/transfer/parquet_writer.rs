//! Rationales as Parquet, written row group by row group.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::ExchangedRow;
use crate::teacher::Finish;

/// Rows of a row group, unless their texts are long.
const GROUP_ROWS: usize = 4096;
/// Bytes of a row group's texts, but for its last row.
const GROUP_BYTES: usize = 8 << 20;

/// Columns of text, in their order in a file, and whether each row has one.
pub(super) const TEXTS: [(&str, bool); 12] = [
    ("id", true),
    ("task", true),
    ("question", true),
    ("gold", true),
    ("teacher", true),
    ("prompt", false),
    ("rationale", true),
    ("prediction", false),
    ("finish", false),
    ("answer_finish", false),
    ("marker", false),
    ("parameters", false),
];

/// Columns of numbers, after those of text.
pub(super) const NUMBERS: [(&str, bool); 3] = [("index", true), ("source", false), ("seed", false)];

/// Collects rows and writes them group by group.
pub(super) struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    texts: [Column<ByteArray>; TEXTS.len()],
    numbers: [Column<i64>; NUMBERS.len()],
    rows: usize,
    bytes: usize,
}

/// Values of one column: those that are there, and for each row whether one is.
#[derive(Default)]
struct Column<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Column<T> {
    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn clear(&mut self) {
        self.values.clear();
        self.levels.clear();
    }
}

impl<W: Write + Send> ParquetWriter<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let file = SerializedFileWriter::new(out, schema().map_err(io::Error::other)?, Arc::new(properties));
        Ok(Self {
            file: file.map_err(io::Error::other)?,
            texts: Default::default(),
            numbers: Default::default(),
            rows: 0,
            bytes: 0,
        })
    }

    pub(super) fn push(&mut self, row: ExchangedRow) -> io::Result<()> {
        self.bytes += row.size_bytes();
        self.rows += 1;
        let finish = |finish: Option<Finish>| finish.map(String::from);
        let ExchangedRow { example, teacher, completion, source } = row;
        let texts = [
            Some(example.id),
            Some(example.task),
            Some(example.question),
            Some(example.gold),
            Some(teacher),
            completion.prompt,
            Some(completion.rationale),
            completion.prediction,
            finish(completion.finish),
            finish(completion.answer_finish),
            completion.marker,
            completion.parameters,
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.push(text.map(|text| ByteArray::from(text.into_bytes())));
        }
        let numbers =
            [Some(i64::from(completion.index)), source.map(i64::from), completion.seed.map(|seed| seed as i64)];
        for (column, number) in self.numbers.iter_mut().zip(numbers) {
            column.push(number);
        }
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> io::Result<()> {
        let mut write = || {
            let mut group = self.file.next_row_group()?;
            for (column, (_, is_required)) in self.texts.iter().zip(TEXTS) {
                let levels = (!is_required).then_some(&column.levels[..]);
                write_column::<ByteArrayType, W>(&mut group, &column.values, levels)?;
            }
            for (column, (_, is_required)) in self.numbers.iter().zip(NUMBERS) {
                let levels = (!is_required).then_some(&column.levels[..]);
                write_column::<Int64Type, W>(&mut group, &column.values, levels)?;
            }
            group.close().map(|_| ())
        };
        write().map_err(io_error)?;
        self.texts.iter_mut().for_each(Column::clear);
        self.numbers.iter_mut().for_each(Column::clear);
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// Writes what is left, and the footer.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.file.close().map(|_| ()).map_err(io_error)
    }
}

fn write_column<T: parquet::data_type::DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> parquet::errors::Result<()> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, levels, None)?;
        column.close()?;
    }
    Ok(())
}

/// The disk's own error where there is one, so that a full disk or a closed pipe is recognised.
fn io_error(error: parquet::errors::ParquetError) -> io::Error {
    match error {
        parquet::errors::ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => *source,
            Err(source) => io::Error::other(source),
        },
        error => io::Error::other(error),
    }
}

fn schema() -> parquet::errors::Result<TypePtr> {
    let repetition = |is_required| if is_required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
    let mut fields = Vec::new();
    for (name, is_required) in TEXTS {
        let field = Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY);
        let field = field.with_logical_type(Some(LogicalType::String)).with_repetition(repetition(is_required));
        fields.push(Arc::new(field.build()?));
    }
    for (name, is_required) in NUMBERS {
        let field = Type::primitive_type_builder(name, PhysicalType::INT64).with_repetition(repetition(is_required));
        // Seeds use all 64 bits.
        let unsigned = LogicalType::integer(64, false);
        fields.push(Arc::new(field.with_logical_type(Some(unsigned)).build()?));
    }
    Ok(Arc::new(Type::group_type_builder("rationale").with_fields(fields).build()?))
}
