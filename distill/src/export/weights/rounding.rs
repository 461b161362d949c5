//! Who chooses the integers of a bundle's matrices.

use pupil_models::family::NativeMatrix;
use pupil_models::packed::Precision;

use crate::quantize::{BlockFormat, Fitting, QuantizeError, QuantizedMatrix, Quantizer};

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

/// Every matrix in the same precision, its integers chosen by a [`Quantizer`].
#[derive(Debug)]
pub struct Uniform {
    precision: Precision,
    quantizer: Quantizer,
}

impl Uniform {
    /// Matrices in `precision`, rounded by `quantizer`.
    #[must_use]
    pub fn new(precision: Precision, quantizer: Quantizer) -> Self {
        Self { precision, quantizer }
    }

    /// Every weight becomes its nearest integer, under the scale of least squared error in its block.
    #[must_use]
    pub fn nearest(precision: Precision) -> Self {
        Self::new(precision, Quantizer::uncalibrated(Fitting::LeastError))
    }
}

impl Rounding for Uniform {
    fn precision(&self, _matrix: &NativeMatrix) -> Precision {
        self.precision
    }

    fn round(
        &self,
        weight: &str,
        columns: usize,
        format: BlockFormat,
        rows: &[f32],
    ) -> Result<QuantizedMatrix, QuantizeError> {
        self.quantizer.quantize(weight, columns, format, rows)
    }
}
