//! Why there is no report.

use std::path::PathBuf;

use crate::rationale::RationaleError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Something that was named is neither a run nor holds one.
    #[error(
        "cannot report on `{path}`: expected a run's folder, an experiment file, or a folder of runs, found {found}"
    )]
    NoRun {
        /// What was named.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// A file of a run cannot be read, or the report not written.
    #[error("cannot use `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of a run is damaged.
    #[error("`{path}` is damaged: expected {expected}, found {found}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What the parser met.
        found: String,
    },
    /// A rationale store cannot be read.
    #[error(transparent)]
    Rationale(#[from] RationaleError),
    /// A tokenizer cannot be used.
    #[error("cannot use the tokenizer `{path}`")]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pupil_models::tokenizer::TokenizerError,
    },
}

impl ReportError {
    pub(super) fn damaged(path: &std::path::Path, expected: &'static str, found: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), expected, found: found.to_string() }
    }
}
