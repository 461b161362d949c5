//! The scale that loses least: a few candidates, each refitted by least squares to the integers that it leads to.

use super::block::{BlockFit, covering, spanning};
use super::format::{Bits, BlockFormat};

/// How far from covering the block a candidate may be, as shares of the covering scale: below 1 the extremes are cut off.
const FOUR_BITS: [f64; 12] = [1.1, 1.05, 1.0, 0.95, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7, 0.65, 0.6];
/// 256 steps are so fine that cutting off hardly pays.
const EIGHT_BITS: [f64; 4] = [1.0, 0.99, 0.97, 0.94];

/// The fit of least squared error `Σ importance · (weight − rounded)²` among the candidates.
///
/// Never worse than [`covering`]. `importance` has the length of `weights`; with the mean squares of the input channels this
/// is the activation-aware error of Lin et al. 2024 (AWQ), for inputs that are not correlated.
#[must_use]
pub fn least_error(format: BlockFormat, weights: &[f32], importance: &[f32]) -> BlockFit {
    let mut best = covering(format, weights);
    let mut least = best.error(format, weights, importance);
    if !best.scale.is_finite() || least == 0.0 {
        return best;
    }
    let mut consider = |candidate: BlockFit| {
        let refitted = refit(format, candidate, weights, importance);
        for fit in [candidate, refitted] {
            let error = fit.error(format, weights, importance);
            if fit.scale.is_finite() && fit.scale != 0.0 && error < least {
                (best, least) = (fit, error);
            }
        }
    };
    let shares: &[f64] = if format.bits == Bits::Four { &FOUR_BITS } else { &EIGHT_BITS };
    for &share in shares {
        candidates(format, weights, share).into_iter().for_each(&mut consider);
    }
    best
}

/// The candidates of one share.
fn candidates(format: BlockFormat, weights: &[f32], share: f64) -> Vec<BlockFit> {
    let low = f64::from(weights.iter().copied().fold(0.0, f32::min));
    let high = f64::from(weights.iter().copied().fold(0.0, f32::max));
    if format.zero_points {
        // Either end alone, or both: an outlier is mostly on one side.
        return [(low * share, high * share), (low * share, high), (low, high * share)]
            .into_iter()
            .map(|(low, high)| spanning(format, low, high))
            .collect();
    }
    let largest = high.max(-low) * share;
    let symmetric = |scale: f64| BlockFit { scale: format.scales.nearest(scale), zero_point: 0 };
    match format.bits {
        // −8 has no positive counterpart; the sign of the scale gives it to the side that needs it.
        Bits::Four => vec![symmetric(largest / 7.5), symmetric(largest.copysign(-(high + low)) / 8.0)],
        Bits::Eight => vec![symmetric(largest / f64::from(format.bits.largest()))],
    }
}

/// The scale of least squared error for the integers that `fit` leads to.
fn refit(format: BlockFormat, fit: BlockFit, weights: &[f32], importance: &[f32]) -> BlockFit {
    let (mut product, mut square) = (0.0, 0.0);
    for (&weight, &importance) in weights.iter().zip(importance) {
        let steps = f64::from(fit.integer(format, weight)) - f64::from(fit.zero_point);
        product += f64::from(importance) * f64::from(weight) * steps;
        square += f64::from(importance) * steps * steps;
    }
    let scale = if square > 0.0 { format.scales.nearest(product / square) } else { fit.scale };
    BlockFit { scale, ..fit }
}
