//! Training in a build without libtorch.

use super::{TrainError, TrainPlan, TrainReport};
use crate::interrupt::Interrupt;
use crate::sample::TrainingSample;

/// Always answers [`TrainError::NoTorch`]: build with `--features torch` to train.
///
/// # Errors
/// Always.
pub fn train(
    _plan: &TrainPlan,
    _samples: &[TrainingSample],
    _interrupt: &Interrupt,
) -> Result<TrainReport, TrainError> {
    Err(TrainError::NoTorch)
}
