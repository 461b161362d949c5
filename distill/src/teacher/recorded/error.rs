//! Why recorded completions cannot be replayed.

use std::path::PathBuf;

use super::Format;
use crate::dataset::RowError;

/// Why recorded completions cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordedError {
    /// The file cannot be read, or its first row is none.
    #[error("cannot read the recorded completions")]
    Read(#[source] RowError),
    /// A row is refused.
    #[error("cannot read the recorded completions as {format}")]
    Row {
        /// What the file's first row shows it to be.
        format: Format,
        /// Which row, and why.
        source: RowError,
    },
    /// A part of a file that is one JSON document is refused.
    #[error("recorded completions `{path}`, read as {format}, {place}: expected {expected}, found {found}")]
    Document {
        /// The file.
        path: PathBuf,
        /// What its keys show it to be.
        format: Format,
        /// Where in the document.
        place: String,
        /// What is accepted.
        expected: String,
        /// What the document holds.
        found: String,
    },
    /// The file has none of the known forms.
    #[error(
        "recorded completions `{path}`: expected {}, found an object with the keys {found}",
        Format::ALL.map(|format| format.to_string()).join(", or ")
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// Keys of its first object.
        found: String,
    },
    /// The file holds no completion.
    #[error("recorded completions `{path}`: expected at least one row, found none")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// No completion is about an example of the dataset.
    #[error(
        "recorded completions `{path}`, read as {format}: expected completions of the dataset's examples, found none among \
         {rows} ({unmatched})"
    )]
    NothingMatches {
        /// The file.
        path: PathBuf,
        /// What its first row shows it to be.
        format: Format,
        /// Completions in the file.
        rows: usize,
        /// Those about no example, and about several.
        unmatched: String,
    },
    /// A recorded completion is about something else than the example.
    #[error(
        "recorded completions `{path}`, {place}: expected the {part} of example `{id}`, `{expected}`, found `{found}`"
    )]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        place: String,
        /// The example.
        id: String,
        /// `question` or `answer`.
        part: &'static str,
        /// The dataset's text.
        expected: String,
        /// The recorded text.
        found: String,
    },
    /// Two rows give the same completion differently.
    #[error(
        "recorded completions `{path}`, {place}: expected completion {index} of `{id}` as at {first}, found another one"
    )]
    Conflict {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        place: String,
        /// The example.
        id: String,
        /// The completion.
        index: u32,
        /// Where it stood before.
        first: String,
    },
}

impl RecordedError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(_) | Self::Row { .. } => "E_TEACH_ROW",
            Self::Document { .. } => "E_TEACH_DOCUMENT",
            Self::UnknownFormat { .. } => "E_TEACH_FORMAT",
            Self::Empty { .. } => "E_TEACH_EMPTY",
            Self::NothingMatches { .. } => "E_TEACH_NOTHING_MATCHES",
            Self::Mismatch { .. } => "E_TEACH_MISMATCH",
            Self::Conflict { .. } => "E_TEACH_CONFLICT",
        }
    }
}
