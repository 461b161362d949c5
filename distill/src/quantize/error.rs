//! Why a matrix was not quantised.

use crate::student::StudentError;

/// Why a matrix was not quantised.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// A weight is NaN or infinite.
    #[error("tensor `{tensor}`: expected finite weights, found {value} in row {row}, column {column}")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// Row of the weight.
        row: usize,
        /// Column of the weight.
        column: usize,
        /// The weight.
        value: f32,
    },
    /// A weight or a block's scale is too large for its type.
    #[error("tensor `{tensor}`, row {row}: expected {expected}, found {found:e}")]
    Range {
        /// The tensor.
        tensor: String,
        /// The row.
        row: usize,
        /// What can be stored.
        expected: &'static str,
        /// What would have to be.
        found: f64,
    },
    /// The inputs of the layers cannot be gathered.
    #[error("cannot calibrate")]
    Calibration(#[from] StudentError),
    /// A calibration vector or matrix does not fit the weights.
    #[error("tensor `{tensor}`: expected statistics of {expected} input channels, found {found}")]
    Statistics {
        /// The tensor.
        tensor: String,
        /// Columns of the tensor.
        expected: usize,
        /// Channels of the statistics.
        found: usize,
    },
}

impl QuantizeError {
    /// The same, of a piece that begins with row `first` of its tensor.
    #[must_use]
    pub fn in_rows_from(mut self, first: usize) -> Self {
        if let Self::NotFinite { row, .. } | Self::Range { row, .. } = &mut self {
            *row += first;
        }
        self
    }

    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFinite { .. } => "E_NONFINITE",
            Self::Range { .. } => "E_QUANT_RANGE",
            Self::Calibration(_) => "E_CALIBRATION",
            Self::Statistics { .. } => "E_QUANT_STATISTICS",
        }
    }
}
