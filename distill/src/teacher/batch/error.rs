//! Why a batch cannot be written, read or taken as complete.

use std::path::PathBuf;

use crate::rationale::RationaleError;
use crate::teacher::openai::OpenaiError;

/// Why a batch cannot be written, read or taken as complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The experiment has no source whose requests travel by files.
    #[error("expected a source with `teacher = \"batch\"`, found none")]
    NoSource,
    /// Completions have not been read yet.
    #[error(
        "{missing} of {total} completions of source {number} are missing, {answers} of them lack only the answer: expected \
         result files to be read, found no reply to them; `distill batch write` writes what has to be asked, `distill batch \
         read` reads the replies"
    )]
    Missing {
        /// Completions without a reply.
        missing: u64,
        /// Completions in all.
        total: u64,
        /// Those of the missing ones whose rationale is there.
        answers: u64,
        /// Number of the source in the experiment, from 0.
        number: u32,
    },
    /// One request is larger than a file may be.
    #[error("request `{custom_id}`: expected at most {most} bytes, found {found}")]
    TooLarge {
        /// The request.
        custom_id: String,
        /// Most bytes of a file.
        most: u64,
        /// Bytes of the request.
        found: u64,
    },
    /// A request file cannot be written.
    #[error("cannot write the request file `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A result file cannot be read.
    #[error("cannot read the result file `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The requests cannot be worded.
    #[error("cannot word the requests of source {number}")]
    Wording {
        /// Number of the source in the experiment, from 0.
        number: u32,
        /// Why.
        source: Box<OpenaiError>,
    },
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] RationaleError),
    /// Somebody asked to stop.
    #[error("stopped; what was read is kept, and the same command goes on from there")]
    Interrupted,
}

impl BatchError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSource => "E_BATCH_NO_SOURCE",
            Self::Missing { .. } => "E_BATCH_MISSING",
            Self::TooLarge { .. } => "E_BATCH_TOO_LARGE",
            Self::Write { .. } => "E_BATCH_WRITE",
            Self::Read { .. } => "E_BATCH_READ",
            Self::Wording { .. } => "E_BATCH_WORDING",
            Self::Store(error) => error.code(),
            Self::Interrupted => "E_BATCH_INTERRUPTED",
        }
    }
}
