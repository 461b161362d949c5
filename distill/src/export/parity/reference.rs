//! The student that every form is measured against.

use std::ops::Range;

use crate::export::ExportError;
use crate::student::{ReferenceStates, ReferenceStudent};

/// A student whose logits are right by definition: libtorch's, or a test's.
pub trait Reference {
    /// What is computed once for a sequence of tokens.
    type States;

    /// Reads a sequence.
    ///
    /// # Errors
    /// The computation fails.
    fn states(&self, ids: &[u32]) -> Result<Self::States, ExportError>;

    /// Logits of some positions of the sequence, `[positions, vocab_size]`, row by row.
    ///
    /// # Errors
    /// The computation fails.
    fn logits(&self, states: &Self::States, positions: Range<usize>) -> Result<Vec<f32>, ExportError>;
}

impl Reference for ReferenceStudent {
    type States = ReferenceStates;

    fn states(&self, ids: &[u32]) -> Result<ReferenceStates, ExportError> {
        Ok(self.states(ids)?)
    }

    fn logits(&self, states: &ReferenceStates, positions: Range<usize>) -> Result<Vec<f32>, ExportError> {
        Ok(self.logits_of(states, positions)?)
    }
}
