//! One block: the scale and zero point that fit its weights, and rounding to them.

use super::format::BlockFormat;

/// Scale and zero point of a block: a weight is `scale · (integer − zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockFit {
    /// Value of a step; negative where the block's largest magnitude is positive and −8 serves it.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i8,
}

impl BlockFit {
    /// The integer nearest to `weight`.
    #[must_use]
    pub fn integer(self, format: BlockFormat, weight: f32) -> i8 {
        if self.scale == 0.0 {
            return self.zero_point;
        }
        let (low, high) = self.steps(format);
        (nearest_integer(weight / self.scale, low, high) + f32::from(self.zero_point)) as i8
    }

    /// Appends the integers nearest to `weights`.
    pub(super) fn push_integers(self, format: BlockFormat, weights: &[f32], integers: &mut Vec<i8>) {
        if self.scale == 0.0 {
            integers.resize(integers.len() + weights.len(), self.zero_point);
            return;
        }
        let ((low, high), zero) = (self.steps(format), f32::from(self.zero_point));
        let integer = |weight: &f32| (nearest_integer(weight / self.scale, low, high) + zero) as i32 as i8;
        integers.extend(weights.iter().map(integer));
    }

    /// The least and the largest number of steps from zero.
    #[inline]
    pub(super) fn steps(self, format: BlockFormat) -> (f32, f32) {
        let (low, high) = format.range();
        let zero = f32::from(self.zero_point);
        (f32::from(low) - zero, f32::from(high) - zero)
    }

    /// What `integer` stands for.
    #[must_use]
    pub fn value(self, integer: i8) -> f32 {
        self.scale * f32::from(i16::from(integer) - i16::from(self.zero_point))
    }

    /// Sum of the weighted squared errors of rounding `weights`.
    pub(super) fn error(self, format: BlockFormat, weights: &[f32], importance: &[f32]) -> f64 {
        let one = |(&weight, &importance): (&f32, &f32)| {
            let error = f64::from(weight) - f64::from(self.value(self.integer(format, weight)));
            f64::from(importance) * error * error
        };
        weights.iter().zip(importance).map(one).sum()
    }
}

/// The integer from `low` to `high` that is nearest to `value`, of two equally near ones the even one; for magnitudes below 2²².
///
/// Written so that a loop over it needs nothing but additions and comparisons.
#[inline]
pub(super) fn nearest_integer(value: f32, low: f32, high: f32) -> f32 {
    // From here on neighbours are 1 apart, so the sum is rounded to an integer.
    const INTEGERS: f32 = 12_582_912.0;
    let value = if value > low { value } else { low };
    let value = if value < high { value } else { high };
    (value + INTEGERS) - INTEGERS
}

/// The fit that just covers `weights`: what rounding to nearest takes.
///
/// The scale is infinite if its type cannot hold it.
#[must_use]
pub fn covering(format: BlockFormat, weights: &[f32]) -> BlockFit {
    // The range of an asymmetric block contains zero, so that zero stays zero.
    let low = f64::from(weights.iter().copied().fold(0.0, f32::min));
    let high = f64::from(weights.iter().copied().fold(0.0, f32::max));
    if format.zero_points {
        return spanning(format, low, high);
    }
    let scale = format.scales.nearest(high.max(-low) / f64::from(format.bits.largest()));
    BlockFit { scale, zero_point: 0 }
}

/// The asymmetric fit whose integers go from `low` to `high`, zero between them.
pub(super) fn spanning(format: BlockFormat, low: f64, high: f64) -> BlockFit {
    let (least, largest) = format.range();
    let scale = format.scales.nearest((high - low) / (f64::from(largest) - f64::from(least)));
    if scale == 0.0 {
        return BlockFit { scale, zero_point: 0 };
    }
    let zero_point = (f64::from(least) - low / f64::from(scale)).round_ties_even();
    BlockFit { scale, zero_point: zero_point.clamp(f64::from(least), f64::from(largest)) as i8 }
}
