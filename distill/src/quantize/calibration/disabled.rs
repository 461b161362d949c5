//! Without libtorch there is no forward pass to take statistics from.

use std::convert::Infallible;
use std::sync::Arc;

use super::{Calibration, Statistics};
use crate::checkpoint::Checkpoint;
use crate::student::StudentError;

/// A student that reads samples; this build has no libtorch and so none of these.
#[derive(Debug)]
pub struct Calibrator {
    never: Infallible,
}

impl Calibrator {
    /// Refuses.
    ///
    /// # Errors
    /// [`StudentError::NoTorch`].
    pub fn open(
        _checkpoint: &Checkpoint,
        _calibration: Calibration,
        _samples: &[Vec<u32>],
        _threads: usize,
    ) -> Result<Self, StudentError> {
        Err(StudentError::NoTorch)
    }

    /// What the statistics are for.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        match self.never {}
    }

    /// What is known about the inputs of a linear layer, counted in the order of the forward pass.
    ///
    /// # Errors
    /// None: there is no such calibrator.
    pub fn statistics(&mut self, _site: usize) -> Result<Arc<Statistics>, StudentError> {
        match self.never {}
    }

    /// `‖E Xᵀ‖²` for an error `E`, `[rows, columns]`, of a layer's weights.
    ///
    /// # Errors
    /// None: there is no such calibrator.
    pub fn output_error(&mut self, _site: usize, _error: &[f32]) -> Result<f64, StudentError> {
        match self.never {}
    }
}
