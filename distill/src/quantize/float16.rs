//! Weights in float16, for matrices that must not be quantised.

use half::f16;

use super::QuantizeError;
use super::matrix::check_finite;

/// Rounds `weights`, `[rows, columns]`, to float16.
///
/// # Errors
/// A weight is NaN or infinite, or beyond the largest float16.
///
/// # Panics
/// If `weights` is no whole number of rows.
pub fn to_float16(tensor: &str, columns: usize, weights: &[f32]) -> Result<Vec<f16>, QuantizeError> {
    assert!(columns > 0 && weights.len().is_multiple_of(columns), "whole rows");
    let mut halves = Vec::with_capacity(weights.len());
    for (row, values) in weights.chunks_exact(columns).enumerate() {
        check_finite(tensor, row, values)?;
        halves.extend(values.iter().map(|&value| f16::from_f32(value)));
        if let Some((value, _)) = values.iter().zip(&halves[row * columns..]).find(|(_, half)| half.is_infinite()) {
            let expected = "weights of at most 65504";
            return Err(QuantizeError::Range { tensor: tensor.to_owned(), row, expected, found: f64::from(*value) });
        }
    }
    Ok(halves)
}
