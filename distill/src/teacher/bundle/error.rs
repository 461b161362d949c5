//! Why a bundle cannot teach.

use std::path::PathBuf;

use pupil_models::bundle::BundleError;
use pupil_runtime::{GenerateError, LoadError};

/// Why a bundle cannot teach.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleTeachError {
    /// The bundle is refused.
    #[error("cannot open the bundle that teaches")]
    Bundle(#[source] BundleError),
    /// The runtime refuses the bundle.
    #[error("cannot load the bundle that teaches")]
    Load(#[source] LoadError),
    /// The student answers without reasoning.
    #[error(
        "bundle `{bundle}` cannot teach: expected an answer marker in its contract, found a student that does not reason"
    )]
    NoMarker {
        /// The bundle.
        bundle: PathBuf,
    },
    /// The sampling settings are out of range.
    #[error("bundle teacher: {found}")]
    Sampling {
        /// Expected and found.
        found: String,
    },
    /// The runtime fails at a question.
    #[error("the bundle cannot answer example `{id}`")]
    Generate {
        /// The example.
        id: String,
        /// Why.
        source: GenerateError,
    },
    /// The runtime fails, whatever the question.
    #[error("the bundle cannot write completions side by side")]
    Batch(#[source] GenerateError),
}

impl BundleTeachError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bundle(_) => "E_TEACH_BUNDLE",
            Self::Load(_) => "E_TEACH_LOAD",
            Self::NoMarker { .. } => "E_TEACH_NO_MARKER",
            Self::Sampling { .. } => "E_TEACH_SAMPLING",
            Self::Generate { .. } | Self::Batch(_) => "E_TEACH_GENERATE",
        }
    }
}
