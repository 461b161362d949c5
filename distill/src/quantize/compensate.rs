//! Error-compensating rounding (Frantar et al. 2023, GPTQ): what rounding one weight does to the outputs is made up for by the
//! weights of the row that are not rounded yet.

use std::thread;

use super::QuantizeError;
use super::block::BlockFit;
use super::format::BlockFormat;
use super::matrix::{Fitting, QuantizedMatrix};

/// Rows that share one reading of the factor.
const PANEL_ROWS: usize = 16;

/// The upper Cholesky factor of the inverse of a damped Gram matrix `XᵀX` of a layer's inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct InverseFactor {
    columns: usize,
    upper: Vec<f32>,
    /// How much an error in a column costs that later columns cannot make up for.
    importance: Vec<f32>,
}

impl InverseFactor {
    /// Takes `upper`, `[columns, columns]` row by row, with a positive diagonal; what is below it is not read.
    ///
    /// # Panics
    /// If `upper` has another length.
    #[must_use]
    pub fn new(columns: usize, upper: Vec<f32>) -> Self {
        assert_eq!(upper.len(), columns * columns, "a square factor");
        let importance = (0..columns).map(|column| upper[column * (columns + 1)].powi(-2)).collect();
        Self { columns, upper, importance }
    }

    /// Channels of the layer's input.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// Quantises `weights`, `[rows, columns]`, the rows spread over `threads` threads; the result does not depend on how many.
///
/// # Errors
/// As [`QuantizedMatrix::quantize`].
///
/// # Panics
/// If `weights` is no whole number of rows.
pub fn quantize(
    tensor: &str,
    columns: usize,
    format: BlockFormat,
    factor: &InverseFactor,
    weights: &[f32],
    threads: usize,
) -> Result<QuantizedMatrix, QuantizeError> {
    let mut whole = QuantizedMatrix::new(tensor, columns, format);
    if factor.columns != columns {
        let (tensor, found) = (tensor.to_owned(), factor.columns);
        return Err(QuantizeError::Statistics { tensor, expected: columns, found });
    }
    assert!(weights.len().is_multiple_of(columns), "whole rows");
    for (row, values) in weights.chunks_exact(columns).enumerate() {
        super::matrix::check_finite(tensor, row, values)?;
    }
    let rows = weights.len() / columns;
    let share = rows.div_ceil(threads.max(1)).next_multiple_of(PANEL_ROWS);
    let part = |rows: &[f32]| {
        let mut part = QuantizedMatrix::new(tensor, columns, format);
        rows.chunks(PANEL_ROWS * columns).try_for_each(|panel| push_panel(&mut part, panel, factor))?;
        Ok(part)
    };
    let parts: Vec<Result<QuantizedMatrix, QuantizeError>> = thread::scope(|scope| {
        let spawned: Vec<_> =
            weights.chunks((share * columns).max(1)).map(|rows| scope.spawn(move || part(rows))).collect();
        spawned
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    for part in parts {
        whole.append(&part?);
    }
    Ok(whole)
}

/// Quantises a few rows column by column.
fn push_panel(matrix: &mut QuantizedMatrix, panel: &[f32], factor: &InverseFactor) -> Result<(), QuantizeError> {
    let (columns, format) = (factor.columns, matrix.format());
    let length = format.block.count();
    let mut rows: Vec<Row> = panel.chunks_exact(columns).map(Row::new).collect();
    for start in (0..columns).step_by(length) {
        let end = columns.min(start + length);
        for row in &mut rows {
            // Fitted to the weights as they are now, corrections included.
            let importance = &factor.importance[start..end];
            row.fits.push(matrix.fit(&row.weights[start..end], Fitting::LeastError, importance)?);
        }
        for column in start..end {
            let upper = &factor.upper[column * columns + column..(column + 1) * columns];
            for row in &mut rows {
                row.round(column, format, upper);
            }
        }
    }
    for row in &rows {
        matrix.push_rounded(&row.integers, &row.fits);
    }
    Ok(())
}

/// A row that is being rounded.
struct Row {
    weights: Vec<f32>,
    integers: Vec<i8>,
    fits: Vec<BlockFit>,
}

impl Row {
    fn new(weights: &[f32]) -> Self {
        Self { weights: weights.to_vec(), integers: Vec::with_capacity(weights.len()), fits: Vec::new() }
    }

    /// Rounds the weight in `column` and corrects those behind it; `upper` is the factor's row from its diagonal on.
    fn round(&mut self, column: usize, format: BlockFormat, upper: &[f32]) {
        let (Some(&fit), Some((diagonal, rest))) = (self.fits.last(), upper.split_first()) else { return };
        let integer = fit.integer(format, self.weights[column]);
        self.integers.push(integer);
        let error = (self.weights[column] - fit.value(integer)) / diagonal;
        self.weights[column + 1..].iter_mut().zip(rest).for_each(|(weight, factor)| *weight -= error * factor);
    }
}
