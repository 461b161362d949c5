//! Why a teacher cannot teach.

use std::path::PathBuf;

use crate::rationale::RationaleError;

use super::batch::BatchError;
use super::bundle::BundleTeachError;
use super::recorded::RecordedError;

/// Why a teacher cannot teach.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TeachError {
    /// Recorded completions cannot be replayed.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// The task is none that a program can teach.
    #[error("program teacher: expected a task among {expected}, found `{found}`")]
    UnknownTask {
        /// The tasks.
        expected: String,
        /// What was asked for.
        found: String,
    },
    /// The grammar has too few questions.
    #[error(
        "program teacher of `{task}`: expected {expected} different questions, found only {found} outside the excluded ones"
    )]
    Exhausted {
        /// The task.
        task: &'static str,
        /// How many were asked for.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// The list of excluded questions cannot be read or written.
    #[error("cannot use the list of excluded questions `{path}`")]
    ExclusionsFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of the list of excluded questions is no fingerprint.
    #[error("excluded questions `{path}`, line {line}: expected 16 lower-case hexadecimal digits, found `{found}`")]
    Fingerprint {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What the line holds.
        found: String,
    },
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] RationaleError),
    /// A batch cannot be written or read, or is not complete.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A bundle cannot teach.
    #[error(transparent)]
    Bundle(#[from] BundleTeachError),
    /// Somebody asked to stop.
    #[error("stopped while the teacher was writing; what it wrote is kept, and the same command continues from there")]
    Interrupted,
    /// An endpoint could not be asked to the end.
    #[error(transparent)]
    Openai(#[from] super::openai::OpenaiError),
}

impl TeachError {
    /// Whether the teacher was stopped on request, not by a fault.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(
            self,
            Self::Interrupted
                | Self::Batch(BatchError::Interrupted)
                | Self::Openai(super::openai::OpenaiError::Interrupted)
        )
    }

    /// Whether the teacher stopped at a limit of the user's own.
    #[must_use]
    pub fn is_budget(&self) -> bool {
        matches!(self, Self::Openai(super::openai::OpenaiError::Budget { .. }))
    }

    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Recorded(error) => error.code(),
            Self::UnknownTask { .. } => "E_TEACH_TASK",
            Self::Exhausted { .. } => "E_TEACH_EXHAUSTED",
            Self::ExclusionsFile { .. } => "E_TEACH_EXCLUSIONS_FILE",
            Self::Fingerprint { .. } => "E_TEACH_FINGERPRINT",
            Self::Store(error) => error.code(),
            Self::Batch(error) => error.code(),
            Self::Bundle(error) => error.code(),
            Self::Interrupted => "E_TEACH_INTERRUPTED",
            Self::Openai(error) => error.code(),
        }
    }
}
