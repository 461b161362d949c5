//! Why rationales cannot be stored or read.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::Difference;

/// Why a rationale file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RationaleError {
    /// The file cannot be read.
    #[error("cannot read the rationale file `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the rationale file `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database refuses.
    #[error("rationale store `{path}`")]
    Database {
        /// The store.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file is not a store of ours, or damaged, or of another version.
    #[error("rationale store `{path}`: expected {expected}, found {found}")]
    Store {
        /// The store.
        path: PathBuf,
        /// What is accepted.
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// Another process writes into the store.
    #[error("rationale store `{path}` is locked: expected to be its only writer, found another process")]
    Locked {
        /// The store.
        path: PathBuf,
    },
    /// The store belongs to other examples.
    #[error("rationale store `{path}` was made for something else: expected {expected}, found {found}")]
    OtherSource {
        /// The store.
        path: PathBuf,
        /// What the store holds.
        expected: String,
        /// What is asked for now.
        found: String,
    },
    /// The store's structure is broken: a page was overwritten, or the file was cut.
    #[error("rationale store `{path}` is damaged: expected a whole database, found: {found}")]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What the database met.
        found: String,
    },
    /// The disk is full, fails, or is read-only.
    #[error("cannot write or read on the disk of rationale store `{path}`; what was stored before is kept")]
    Disk {
        /// The store.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The source was asked with other settings.
    #[error(
        "rationale store `{path}`, source {number}, was made with other settings: {}",
        Difference::list(differences)
    )]
    OtherSettings {
        /// The store.
        path: PathBuf,
        /// Number of the source.
        number: u32,
        /// Every setting that differs.
        differences: Vec<Difference>,
    },
    /// A finished completion would be replaced by another one.
    #[error(
        "rationale store `{path}`, `{id}`: expected the completion that it holds, found another one with the same key"
    )]
    Conflict {
        /// The store.
        path: PathBuf,
        /// Example and completion.
        id: String,
    },
    /// A line is not a rationale, or repeats one.
    #[error("rationale file `{path}`, line {line}: expected {expected}, found {found}")]
    Row {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is accepted.
        expected: &'static str,
        /// What the line holds.
        found: String,
    },
}

impl RationaleError {
    /// Tells a full or failing disk and a damaged file from other refusals of the database.
    pub(super) fn database(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                Self::Disk { path, source }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, found: source.to_string() }
            }
            _ => Self::Database { path, source },
        }
    }

    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "E_RATIONALE_READ",
            Self::Write { .. } => "E_RATIONALE_WRITE",
            Self::Database { .. } => "E_RATIONALE_DATABASE",
            Self::Store { .. } => "E_RATIONALE_STORE",
            Self::Damaged { .. } => "E_RATIONALE_DAMAGED",
            Self::Disk { .. } => "E_IO",
            Self::OtherSettings { .. } => "E_RATIONALE_OTHER_SETTINGS",
            Self::Locked { .. } => "E_LOCKED",
            Self::OtherSource { .. } => "E_RATIONALE_OTHER_SOURCE",
            Self::Conflict { .. } => "E_RATIONALE_CONFLICT",
            Self::Row { .. } => "E_RATIONALE_ROW",
        }
    }
}
