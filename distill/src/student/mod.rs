//! The student in libtorch: the family's forward pass computed eagerly, with gradients.

#[cfg(not(feature = "torch"))]
mod disabled;
#[cfg(feature = "torch")]
mod eager;
#[cfg(feature = "torch")]
mod enabled;
#[cfg(feature = "torch")]
mod weights;

#[cfg(not(feature = "torch"))]
pub use disabled::{ReferenceStates, ReferenceStudent};
#[cfg(feature = "torch")]
pub(crate) use eager::{Rotary, TokenBatch, logits, observe};
#[cfg(feature = "torch")]
use eager::{hidden, logits_of};
#[cfg(feature = "torch")]
pub use enabled::{ReferenceStates, ReferenceStudent};
#[cfg(feature = "torch")]
pub(crate) use weights::FlatWeights;

/// Why the reference student cannot compute.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudentError {
    /// This build has no libtorch.
    #[error("the reference student needs libtorch: expected a build with the feature `torch`, found one without")]
    NoTorch,
    /// There is nothing to read.
    #[error("calibration needs samples: expected at least one token, found none")]
    NoSamples,
    /// The weights are refused.
    #[error(transparent)]
    Weights(#[from] pupil_models::bundle::BundleError),
    /// libtorch failed.
    #[error("libtorch failed: {0}")]
    Torch(String),
}

#[cfg(feature = "torch")]
impl From<tch::TchError> for StudentError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error.to_string())
    }
}
