//! The scale that loses least: a few candidates, each refitted by least squares to the integers that it leads to.

use super::block::{BlockFit, covering, spanning};
use super::format::{Bits, BlockFormat};
use super::lanes::{Block, Trials};

/// How far from covering the block a candidate may be, as shares of the covering scale: below 1 the extremes are cut off.
const FOUR_BITS: [f64; 12] = [1.1, 1.05, 1.0, 0.95, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7, 0.65, 0.6];
/// 256 steps are so fine that cutting off hardly pays.
const EIGHT_BITS: [f64; 4] = [1.0, 0.99, 0.97, 0.94];

/// Errors in float32 that differ by less are computed again in float64. A sum of 128 squares, each of three roundings, is off by
/// at most `131 · 2⁻²⁴`, so two of them by less than `2⁻¹⁵` of either.
const MARGIN: f32 = 1.0 + 1.0 / 32768.0;

/// The fit of least squared error `Σ importance · (weight − rounded)²` among the candidates; of equal ones the first.
///
/// Never worse than [`covering`]. `importance` has the length of `weights`; with the mean squares of the input channels this
/// is the activation-aware error of Lin et al. 2024 (AWQ), for inputs that are not correlated.
///
/// Candidates are told apart in float32, many at a time; what float32 cannot tell apart is decided in float64. Only where
/// squared errors leave float32's range may a candidate that is hardly worse than the best be taken for it.
///
/// # Panics
/// If there are more than 128 weights, or another number of importances.
#[must_use]
pub fn least_error(format: BlockFormat, weights: &[f32], importance: &[f32]) -> BlockFit {
    let covering = covering(format, weights);
    if !covering.scale.is_finite() || covering.scale == 0.0 {
        return covering;
    }
    let block = Block::new(format, weights, importance);
    let (candidates, count) = candidates(format, weights);
    let trials = Trials::of(&block, &candidates[..count]);
    let of_covering = block.error_of(covering);
    let limit = of_covering.min(trials.least_error()) * MARGIN + f32::MIN_POSITIVE;
    let mut near = trials.fits_within(limit).filter(|fit| fit.scale.is_finite() && fit.scale != 0.0);
    let first = near.next();
    let second = near.next();
    match (of_covering <= limit, first, second) {
        (false, Some(only), None) => return only,
        (_, None, _) => return covering,
        _ => {}
    }
    let exact = |fit: BlockFit| (fit, fit.error(format, weights, importance));
    let fits = first.into_iter().chain(second).chain(near);
    fits.fold(exact(covering), |best, fit| if fit == best.0 { best } else { smaller(best, exact(fit)) }).0
}

/// The fit of smaller error; of equal ones the first.
fn smaller(first: (BlockFit, f64), second: (BlockFit, f64)) -> (BlockFit, f64) {
    if second.1 < first.1 { second } else { first }
}

/// Room for the candidates of a block: three for each of twelve shares, and whole lanes.
const MOST: usize = 40;

/// The candidates, and how many there are.
fn candidates(format: BlockFormat, weights: &[f32]) -> ([BlockFit; MOST], usize) {
    let low = f64::from(weights.iter().copied().fold(0.0, f32::min));
    let high = f64::from(weights.iter().copied().fold(0.0, f32::max));
    let symmetric = |scale: f64| BlockFit { scale: format.scales.nearest(scale), zero_point: 0 };
    let mut found = [BlockFit { scale: 0.0, zero_point: 0 }; MOST];
    let mut count = 0;
    let mut push = |fit| {
        found[count] = fit;
        count += 1;
    };
    let shares: &[f64] = if format.bits == Bits::Four { &FOUR_BITS } else { &EIGHT_BITS };
    for &share in shares {
        let largest = high.max(-low) * share;
        match (format.zero_points, format.bits) {
            (true, _) => {
                // Either end alone, or both: an outlier is mostly on one side.
                push(spanning(format, low * share, high * share));
                push(spanning(format, low * share, high));
                push(spanning(format, low, high * share));
            }
            (false, Bits::Four) => {
                push(symmetric(largest / 7.5));
                // −8 has no positive counterpart; the sign of the scale gives it to the side that needs it.
                push(symmetric(largest.copysign(-(high + low)) / 8.0));
            }
            (false, Bits::Eight) => push(symmetric(largest / f64::from(format.bits.largest()))),
        }
    }
    (found, count)
}
