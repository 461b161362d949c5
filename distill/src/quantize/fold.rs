//! Activation-aware scaling (Lin et al. 2024, AWQ): input channels that carry much are enlarged before rounding, and what
//! produces them is made smaller by the same factors, so that the student computes the same.

use super::QuantizeError;
use super::format::BlockFormat;
use super::matrix::{Fitting, QuantizedMatrix};

/// Exponents that are tried, evenly spaced up to 1.
const EXPONENTS: usize = 10;

/// Values of a weight, `[rows, columns]` row by row, under the name of its tensor.
#[derive(Clone, Copy, Debug)]
pub struct NamedWeight<'a> {
    /// Name of the tensor.
    pub tensor: &'a str,
    /// Values.
    pub values: &'a [f32],
}

/// Factors for the input channels of a layer, and what they gain.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelFactors {
    /// One for each channel: what multiplies the weights' column, and divides what produces the channel.
    pub factors: Vec<f32>,
    /// Error of rounding without factors.
    pub plain: f64,
    /// Error with them; never more.
    pub folded: f64,
}

/// The factors `mean_square^(exponent / 2)` of least error `Σ mean_square · (weight − rounded)²`, over all `weights` that read
/// the same channels.
///
/// Channels of equal mean square get equal factors.
///
/// # Errors
/// As [`QuantizedMatrix::quantize`].
pub fn search(
    weights: &[NamedWeight<'_>],
    mean_square: &[f32],
    format: BlockFormat,
) -> Result<ChannelFactors, QuantizeError> {
    let ones = vec![1.0; mean_square.len()];
    let plain = loss(weights, mean_square, &ones, format)?;
    let mut best = ChannelFactors { factors: ones, plain, folded: plain };
    for step in 1..=EXPONENTS {
        let factors = factors(mean_square, step as f32 / EXPONENTS as f32);
        let folded = loss(weights, mean_square, &factors, format)?;
        if folded < best.folded {
            best = ChannelFactors { factors, folded, ..best };
        }
    }
    Ok(best)
}

/// Multiplies each column of `weights`, `[rows, columns]`, by its factor.
///
/// # Panics
/// If `weights` is no whole number of rows.
pub fn multiply_columns(weights: &mut [f32], factors: &[f32]) {
    assert!(weights.len().is_multiple_of(factors.len()), "whole rows");
    for row in weights.chunks_exact_mut(factors.len()) {
        row.iter_mut().zip(factors).for_each(|(weight, factor)| *weight *= factor);
    }
}

/// Divides each row of `weights`, `[rows, columns]`, by its factor; a norm's weights are rows of one column.
///
/// # Panics
/// If there is not the same number of columns in each row.
pub fn divide_rows(weights: &mut [f32], factors: &[f32]) {
    assert!(weights.len().is_multiple_of(factors.len()), "a row for each factor");
    let columns = weights.len() / factors.len();
    for (row, factor) in weights.chunks_exact_mut(columns).zip(factors) {
        for weight in row {
            *weight /= factor;
        }
    }
}

/// `mean_square^(exponent / 2)`, centred around 1 so that neither side of the fold leaves float32's comfortable range.
fn factors(mean_square: &[f32], exponent: f32) -> Vec<f32> {
    // A channel that is always zero neither matters nor may it divide by zero.
    let raw: Vec<f32> = mean_square.iter().map(|square| square.powf(exponent / 2.0).max(1e-4)).collect();
    let (low, high) =
        raw.iter().fold((f32::MAX, f32::MIN_POSITIVE), |(low, high), &factor| (low.min(factor), high.max(factor)));
    let centre = (low * high).sqrt();
    raw.iter().map(|factor| factor / centre).collect()
}

fn loss(
    weights: &[NamedWeight<'_>],
    mean_square: &[f32],
    factors: &[f32],
    format: BlockFormat,
) -> Result<f64, QuantizeError> {
    let mut sum = 0.0;
    // An error in an enlarged column is divided by its factor when it reaches the output.
    let importance: Vec<f32> =
        mean_square.iter().zip(factors).map(|(square, factor)| square / (factor * factor)).collect();
    for NamedWeight { tensor, values } in weights {
        let mut enlarged = values.to_vec();
        multiply_columns(&mut enlarged, factors);
        let columns = factors.len();
        let rounded = QuantizedMatrix::quantize(tensor, columns, format, Fitting::Covering, None, &enlarged)?.values();
        for (row, found) in enlarged.chunks_exact(columns).zip(rounded.chunks_exact(columns)) {
            sum += row
                .iter()
                .zip(found)
                .zip(&importance)
                .map(|((a, b), weight)| f64::from(*weight * (a - b) * (a - b)))
                .sum::<f64>();
        }
    }
    Ok(sum)
}
