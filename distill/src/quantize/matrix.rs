//! A quantised matrix, built row by row.

use super::QuantizeError;
use super::block::{BlockFit, covering};
use super::format::{BlockFormat, ScaleType};
use super::search::least_error;

/// How the scale of a block is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fitting {
    /// The scale that covers the block.
    Covering,
    /// The scale of least squared error, weighted by the importance of the columns where that is known.
    LeastError,
}

/// Integers, scales and zero points of some rows of a matrix.
///
/// A large matrix is quantised in pieces: a `QuantizedMatrix` of 16 rows is a panel of the native layout.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedMatrix {
    tensor: String,
    format: BlockFormat,
    columns: usize,
    rows: usize,
    integers: Vec<i8>,
    scales: Vec<f32>,
    zero_points: Vec<i8>,
}

impl QuantizedMatrix {
    /// A matrix without rows; errors will name `tensor`.
    ///
    /// # Panics
    /// If `columns` is 0.
    #[must_use]
    pub fn new(tensor: &str, columns: usize, format: BlockFormat) -> Self {
        assert!(columns > 0, "a matrix has columns");
        let (tensor, integers, scales, zero_points) = (tensor.to_owned(), Vec::new(), Vec::new(), Vec::new());
        Self { tensor, format, columns, rows: 0, integers, scales, zero_points }
    }

    /// Quantises `weights`, `[rows, columns]`, each weight rounded to its nearest integer.
    ///
    /// `importance`, one for each column, weighs the errors among which [`Fitting::LeastError`] chooses.
    ///
    /// # Errors
    /// A weight is NaN or infinite, a scale cannot be stored, or `importance` has another length.
    ///
    /// # Panics
    /// If `weights` is no whole number of rows.
    pub fn quantize(
        tensor: &str,
        columns: usize,
        format: BlockFormat,
        fitting: Fitting,
        importance: Option<&[f32]>,
        weights: &[f32],
    ) -> Result<Self, QuantizeError> {
        let mut matrix = Self::new(tensor, columns, format);
        assert!(weights.len().is_multiple_of(columns), "whole rows");
        for row in weights.chunks_exact(columns) {
            matrix.push_row(row, fitting, importance)?;
        }
        Ok(matrix)
    }

    /// Quantises one more row.
    ///
    /// # Errors
    /// As [`Self::quantize`]; the row is not added then.
    pub fn push_row(&mut self, row: &[f32], fitting: Fitting, importance: Option<&[f32]>) -> Result<(), QuantizeError> {
        self.check_row(row)?;
        let uniform = [1.0; 128];
        if let Some(found) = importance.map(<[f32]>::len).filter(|&found| found != self.columns) {
            return Err(QuantizeError::Statistics { tensor: self.tensor.clone(), expected: self.columns, found });
        }
        let length = self.format.block.count();
        let mut fits = Vec::with_capacity(self.blocks());
        for (index, block) in row.chunks(length).enumerate() {
            let importance = importance.map_or(&uniform[..block.len()], |all| &all[index * length..][..block.len()]);
            fits.push(self.fit(block, fitting, importance)?);
        }
        let mut integers = Vec::with_capacity(row.len());
        for (block, fit) in row.chunks(length).zip(&fits) {
            fit.push_integers(self.format, block, &mut integers);
        }
        self.push_rounded(&integers, &fits);
        Ok(())
    }

    /// The fit of one block of the next row.
    pub(super) fn fit(&self, block: &[f32], fitting: Fitting, importance: &[f32]) -> Result<BlockFit, QuantizeError> {
        let fit = match fitting {
            Fitting::Covering => covering(self.format, block),
            Fitting::LeastError => least_error(self.format, block, importance),
        };
        if fit.scale.is_finite() {
            return Ok(fit);
        }
        let largest = block.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        Err(QuantizeError::Range {
            tensor: self.tensor.clone(),
            row: self.rows,
            expected: match self.format.scales {
                ScaleType::Float16 => "a scale of at most 65504",
                ScaleType::Float32 => "a scale of at most 6.6e35",
            },
            found: f64::from(largest) / f64::from(self.format.bits.largest()),
        })
    }

    /// Appends a row that is rounded already: an integer for each column, a fit for each block.
    pub(super) fn push_rounded(&mut self, integers: &[i8], fits: &[BlockFit]) {
        self.integers.extend(integers);
        // The padding of the last block stands for zero.
        let zero = fits.last().map_or(0, |fit| fit.zero_point);
        self.rows += 1;
        self.integers.resize(self.rows * self.padded_columns(), zero);
        self.scales.extend(fits.iter().map(|fit| fit.scale));
        self.zero_points.extend(fits.iter().map(|fit| fit.zero_point));
    }

    /// Appends the rows of a matrix of the same format and width.
    pub(super) fn append(&mut self, other: &Self) {
        self.rows += other.rows;
        self.integers.extend(&other.integers);
        self.scales.extend(&other.scales);
        self.zero_points.extend(&other.zero_points);
    }

    /// Refuses NaN and infinite weights in the next row.
    pub(super) fn check_row(&self, row: &[f32]) -> Result<(), QuantizeError> {
        assert_eq!(row.len(), self.columns, "a weight for each column");
        check_finite(&self.tensor, self.rows, row)
    }

    /// The tensor's name.
    #[must_use]
    pub fn tensor(&self) -> &str {
        &self.tensor
    }

    /// How the rows are stored.
    #[must_use]
    pub fn format(&self) -> BlockFormat {
        self.format
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns, the padding not counted.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Columns, the padding counted.
    #[must_use]
    pub fn padded_columns(&self) -> usize {
        self.format.padded(self.columns)
    }

    /// Blocks of a row.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.format.blocks(self.columns)
    }

    /// Integers, `[rows, padded_columns]`.
    #[must_use]
    pub fn integers(&self) -> &[i8] {
        &self.integers
    }

    /// Scales, `[rows, blocks]`, each of them exact in the format's type.
    #[must_use]
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Zero points, `[rows, blocks]`; all 0 in a format without them.
    #[must_use]
    pub fn zero_points(&self) -> &[i8] {
        &self.zero_points
    }

    /// What the integers stand for, `[rows, columns]`.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        let (width, blocks, length) = (self.padded_columns(), self.blocks(), self.format.block.count());
        let value = |(row, column): (usize, usize)| {
            let block = row * blocks + column / length;
            let fit = BlockFit { scale: self.scales[block], zero_point: self.zero_points[block] };
            fit.value(self.integers[row * width + column])
        };
        (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (row, column))).map(value).collect()
    }
}

/// Refuses NaN and infinite weights of a row.
pub(super) fn check_finite(tensor: &str, row: usize, weights: &[f32]) -> Result<(), QuantizeError> {
    match weights.iter().enumerate().find(|(_, weight)| !weight.is_finite()) {
        Some((column, &value)) => Err(QuantizeError::NotFinite { tensor: tensor.to_owned(), row, column, value }),
        None => Ok(()),
    }
}
