//! The forms that recorded completions come in, told apart by what a file holds.

use std::fmt;
use std::path::Path;

use serde_json::{Map, Value};

use super::recording::Recording;
use super::{RecordedError, document, texts};
use crate::dataset::{Row, RowError, rows};
use crate::rationale::RationaleRow;
use crate::teacher::{Completion, Finish};

/// A form of recorded completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One completion a row: `{"dataset", "sample_index", "completion_index", "question", "answer", "prompt", "rationale",
    /// "prediction", "finish_reason"?}`.
    Recordings,
    /// One rationale a row, as [`crate::rationale::jsonl`] writes it: `{"example", "teacher", "completion"}`.
    Rationales,
    /// The published completion files: `{"metadata", "data": {"<sample_index>": [completion, …]}}`.
    CompletionDataset,
    /// Fine-tuning data, one pair a row: `{"prompt", "completion"}`.
    Pairs,
    /// Fine-tuning data, one conversation a row: `{"messages": [{"role", "content"}, …]}`.
    Messages,
    /// The published fine-tune files of open students: `{"sample_index": […], "input": […], "label": […]}`.
    Columns,
}

impl Format {
    /// Every form.
    pub const ALL: [Self; 6] =
        [Self::Recordings, Self::Rationales, Self::CompletionDataset, Self::Pairs, Self::Messages, Self::Columns];

    /// Keys by which an object of this form is known.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Recordings => &["dataset", "sample_index", "rationale"],
            Self::Rationales => &["example", "teacher", "completion"],
            Self::CompletionDataset => &["metadata", "data"],
            Self::Pairs => &["prompt", "completion"],
            Self::Messages => &["messages"],
            Self::Columns => &["input", "label"],
        }
    }

    /// The form of a file whose first object has these values.
    fn of(values: &Map<String, Value>) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.keys().iter().all(|key| values.contains_key(*key)))
    }

    fn is_document(self) -> bool {
        matches!(self, Self::CompletionDataset | Self::Columns)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Recordings => "rows of recorded completions",
            Self::Rationales => "rows of rationales",
            Self::CompletionDataset => "a completion dataset",
            Self::Pairs => "rows of prompts and completions",
            Self::Messages => "rows of messages",
            Self::Columns => "columns of prompts and completions",
        };
        write!(formatter, "{name} (`{}`)", self.keys().join("`, `"))
    }
}

/// Reads a file of any known form.
pub(super) fn read(path: &Path) -> Result<(Format, Vec<Recording>), RecordedError> {
    if let Some((format, document)) = whole(path)? {
        return Ok((format, document::recordings(path, format, document)?));
    }
    let mut rows = rows(path).map_err(RecordedError::Read)?.peekable();
    let format = match rows.peek() {
        None => return Err(RecordedError::Empty { path: path.to_owned() }),
        Some(Err(_)) => None,
        Some(Ok(row)) => Some(Format::of(row.values()).filter(|format| !format.is_document()).ok_or_else(|| {
            let keys: Vec<String> = row.values().keys().map(|key| format!("`{key}`")).collect();
            RecordedError::UnknownFormat { path: path.to_owned(), found: keys.join(", ") }
        })?),
    };
    let recordings = rows.map(|row| {
        let Some(format) = format else { return row.map_err(RecordedError::Read).map(|_| Recording::default()) };
        row.and_then(|row| recording(format, &row)).map_err(|source| RecordedError::Row { format, source })
    });
    let recordings = recordings.collect::<Result<_, _>>()?;
    Ok((format.unwrap_or(Format::Recordings), recordings))
}

/// A JSON object, and the form that it is of.
type Document = (Format, Map<String, Value>);

/// The file as one JSON document, if it is one of a form that is.
fn whole(path: &Path) -> Result<Option<Document>, RecordedError> {
    let unreadable = |source| RecordedError::Read(RowError::Read { path: path.to_owned(), source });
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let Ok(Value::Object(document)) = serde_json::from_slice(bytes) else { return Ok(None) };
    let format = Format::of(&document).filter(|format| format.is_document());
    Ok(format.map(|format| (format, document)))
}

fn recording(format: Format, row: &Row) -> Result<Recording, RowError> {
    match format {
        Format::Rationales => rationale(row),
        Format::Pairs => texts::pair(row),
        Format::Messages => texts::conversation(row),
        Format::Recordings | Format::CompletionDataset | Format::Columns => recorded(row),
    }
}

fn recorded(row: &Row) -> Result<Recording, RowError> {
    let completion = Completion {
        prompt: row.optional_text("prompt")?.map(str::to_owned),
        rationale: row.text("rationale")?.to_owned(),
        prediction: row.optional_text("prediction")?.map(str::to_owned),
        finish: row.optional_text("finish_reason")?.map(|reason| Finish::from(reason.to_owned())),
        ..Completion::default()
    };
    Ok(Recording {
        place: format!("line {}", row.line()),
        id: Some(format!("{}/{}", row.text("dataset")?, row.id("sample_index")?)),
        index: Some(row.index("completion_index")?),
        question: Some(row.written("question")?.to_owned()),
        gold: Some(row.written("answer")?.to_owned()),
        completion,
        ..Recording::default()
    })
}

fn rationale(row: &Row) -> Result<Recording, RowError> {
    let values = Value::Object(row.values().clone());
    let RationaleRow { example, completion, .. } =
        serde_json::from_value(values).map_err(|error| row.refused("completion", "a rationale", error.to_string()))?;
    Ok(Recording {
        place: format!("line {}", row.line()),
        id: Some(example.id),
        index: Some(completion.index),
        question: Some(example.question),
        gold: Some(example.gold),
        completion,
        ..Recording::default()
    })
}
