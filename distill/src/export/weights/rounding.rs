//! Who chooses the integers of a bundle's matrices.

use pupil_models::family::NativeMatrix;
use pupil_models::packed::Precision;

use crate::quantize::{BlockFormat, QuantizeError, QuantizedMatrix};

/// Chooses precision, scales and integers of the matrices of a bundle.
pub trait Rounding: Sync {
    /// How the values of `matrix` are stored in a native bundle.
    fn precision(&self, matrix: &NativeMatrix) -> Precision;

    /// Rounds some rows of the checkpoint's weight `weight`, `[rows, columns]`.
    ///
    /// Asked for 16 rows at most, by several threads, in any order: the answer must depend on the arguments alone.
    ///
    /// # Errors
    /// A weight or scale cannot be stored.
    fn round(
        &self,
        weight: &str,
        columns: usize,
        format: BlockFormat,
        rows: &[f32],
    ) -> Result<QuantizedMatrix, QuantizeError>;
}
