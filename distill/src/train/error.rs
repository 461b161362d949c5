//! Why training stopped.

use std::path::PathBuf;

use pupil_models::bundle::BundleError;

/// Why training stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// This build has no libtorch.
    #[error("training needs libtorch: expected a build with the feature `torch`, found one without")]
    NoTorch,
    /// Somebody asked to stop; the state is saved.
    #[error("stopped at step {step}; the same command continues from there")]
    Interrupted {
        /// The step that is saved.
        step: u32,
    },
    /// The loss or the gradient was not finite several times in a row.
    #[error(
        "training diverged at step {step}: expected a finite gradient, found {found}; the checkpoint before it is kept"
    )]
    Diverged {
        /// The step that failed.
        step: u32,
        /// Norm of the gradient.
        found: f64,
    },
    /// The folder holds the state of another run.
    #[error("checkpoint `{path}` belongs to another run: expected {expected}, found {found}")]
    Fingerprint {
        /// The checkpoint.
        path: PathBuf,
        /// Identity of this run.
        expected: String,
        /// Identity of the checkpoint's run.
        found: String,
    },
    /// A file cannot be read or written.
    #[error("cannot use `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The initial weights are refused.
    #[error("cannot start from the given weights")]
    InitialWeights(#[from] BundleError),
    /// libtorch failed, for example for want of memory.
    #[error("libtorch failed at step {step}, on a batch of {rows} rows of {tokens} tokens: {reason}")]
    Torch {
        /// The optimizer step, counted from 1.
        step: u32,
        /// Rows of the batch.
        rows: usize,
        /// Tokens of its longest row.
        tokens: usize,
        /// What libtorch said.
        reason: String,
    },
}

impl TrainError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTorch => "E_NO_TORCH",
            Self::Interrupted { .. } => "E_INTERRUPTED",
            Self::Diverged { .. } => "E_DIVERGED",
            Self::Fingerprint { .. } => "E_FINGERPRINT",
            Self::File { .. } => "E_IO",
            Self::InitialWeights(error) => error.code(),
            Self::Torch { .. } => "E_TORCH",
        }
    }
}
