//! Rationales in and out of stores: JSONL and Parquet, and the columns that other trainers read.
//!
//! Everything streams: memory is bounded by a constant, whatever the size of a store or a file.

mod export;
mod import;
mod lines;
mod parquet_reader;
mod parquet_writer;

use serde::{Deserialize, Serialize};

use super::RationaleRow;
use crate::dataset::Example;
use crate::teacher::Completion;

pub use export::{Choice, Format, export};
pub use import::{BadRow, ImportReport, Placement, import};
pub use lines::MOST_LINE_BYTES;

/// A rationale between stores: the row, and the number of its source where it came from a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExchangedRow {
    example: Example,
    teacher: String,
    completion: Completion,
    #[serde(default)]
    source: Option<u32>,
}

impl ExchangedRow {
    fn new(row: RationaleRow, source: u32) -> Self {
        let RationaleRow { example, teacher, completion } = row;
        Self { example, teacher, completion, source: Some(source) }
    }

    /// About how much memory it takes.
    fn size_bytes(&self) -> usize {
        let texts = [&self.completion.prompt, &self.completion.prediction, &self.completion.parameters];
        let optional: usize = texts.into_iter().flatten().map(String::len).sum();
        256 + self.example.question.len() + self.completion.rationale.len() + optional
    }
}
