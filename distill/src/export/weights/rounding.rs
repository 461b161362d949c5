//! Who chooses the integers of a packed matrix.

use pupil_models::family::NativeMatrix;
use pupil_models::packed::Precision;

use crate::quantize::{BlockFormat, Fitting, QuantizeError, QuantizedMatrix};

/// Chooses precision, scales and integers of the matrices of a native bundle.
pub trait Rounding: Sync {
    /// How the values of `matrix` are stored.
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

/// Every weight becomes its nearest integer, under the scale of least squared error in its block.
#[derive(Clone, Copy, Debug)]
pub struct Nearest(pub Precision);

impl Rounding for Nearest {
    fn precision(&self, _matrix: &NativeMatrix) -> Precision {
        self.0
    }

    fn round(
        &self,
        weight: &str,
        columns: usize,
        format: BlockFormat,
        rows: &[f32],
    ) -> Result<QuantizedMatrix, QuantizeError> {
        QuantizedMatrix::quantize(weight, columns, format, Fitting::LeastError, None, rows)
    }
}
