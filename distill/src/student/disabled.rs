//! The reference student in a build without libtorch.

use std::ops::Range;

use super::StudentError;
use crate::checkpoint::Checkpoint;

/// The student that exported graphs are compared with; needs the feature `torch`.
#[derive(Debug)]
pub struct ReferenceStudent(std::convert::Infallible);

/// Hidden states of one sequence; needs the feature `torch`.
pub type ReferenceStates = std::convert::Infallible;

impl ReferenceStudent {
    /// Always answers [`StudentError::NoTorch`].
    ///
    /// # Errors
    /// Always.
    pub fn open(_checkpoint: &Checkpoint, _threads: usize) -> Result<Self, StudentError> {
        Err(StudentError::NoTorch)
    }

    /// Cannot be called: there is no value of this type.
    ///
    /// # Errors
    /// Never.
    pub fn states(&self, _ids: &[u32]) -> Result<ReferenceStates, StudentError> {
        match self.0 {}
    }

    /// Cannot be called: there is no value of this type.
    ///
    /// # Errors
    /// Never.
    pub fn logits_of(&self, _states: &ReferenceStates, _positions: Range<usize>) -> Result<Vec<f32>, StudentError> {
        match self.0 {}
    }

    /// Cannot be called: there is no value of this type.
    ///
    /// # Errors
    /// Never.
    pub fn logits(&self, _ids: &[u32]) -> Result<Vec<f32>, StudentError> {
        match self.0 {}
    }

    /// Cannot be called: there is no value of this type.
    ///
    /// # Errors
    /// Never.
    pub fn with_weights<T>(
        &self,
        _replaced: &[(&str, Vec<f32>)],
        _work: impl FnOnce(&Self) -> T,
    ) -> Result<T, StudentError> {
        match self.0 {}
    }
}
