//! Why a dataset or a split is refused.

use std::path::PathBuf;

use super::RowError;

/// Why a dataset or a split cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// More training questions are wanted than there are.
    #[error("`training_questions`: expected at most the {found} of the split, found {wanted}")]
    TooFew {
        /// How many are wanted.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// A row of the dataset is refused, or its file cannot be read.
    #[error("cannot read the dataset")]
    Row(#[from] RowError),
    /// The file holds no example.
    #[error("dataset `{path}`: expected at least one row, found none")]
    Empty {
        /// The dataset.
        path: PathBuf,
    },
    /// The split file cannot be read.
    #[error("cannot read the split file `{path}`")]
    ReadSplit {
        /// The split file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The split file is not a table of lists of ids.
    #[error("split file `{path}`: expected {expected}, found {found}")]
    Split {
        /// The split file.
        path: PathBuf,
        /// What is accepted.
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// A split lists an example that the dataset does not have.
    #[error(
        "split `{name}` of `{path}`: expected ids of the {examples} examples of `{dataset}`, found `{id}`, which is none of them"
    )]
    UnknownId {
        /// The split file.
        path: PathBuf,
        /// The split's name.
        name: String,
        /// The id that is not in the dataset.
        id: String,
        /// The dataset.
        dataset: PathBuf,
        /// How many examples it has.
        examples: usize,
    },
    /// A text that does not name a split of a file.
    #[error("split: expected a file, a colon and a name, such as `coin_flip__default.json:test`, found `{found}`")]
    Reference {
        /// The text.
        found: String,
    },
}

impl DatasetError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooFew { .. } => "E_DATASET_FEW",
            Self::Row(_) => "E_DATASET_ROW",
            Self::Empty { .. } => "E_DATASET_EMPTY",
            Self::ReadSplit { .. } => "E_SPLIT_READ",
            Self::Split { .. } => "E_SPLIT_FORM",
            Self::UnknownId { .. } => "E_SPLIT_ID",
            Self::Reference { .. } => "E_SPLIT_REFERENCE",
        }
    }
}
