#![expect(unsafe_code, reason = "the same loops compiled for the registers that the machine has")]
#![expect(
    clippy::inline_always,
    reason = "only inside a function compiled for wide registers is a loop compiled for them"
)]
#![expect(clippy::needless_range_loop, reason = "a lane is an index into several arrays at once")]
//! Candidates side by side: rounding a block costs little, and is done for several scales at once.

use super::block::{BlockFit, nearest_integer};
use super::format::BlockFormat;

/// Candidates in one go: a register of float32.
const LANES: usize = 8;
/// Most groups of candidates.
const GROUPS: usize = 5;

/// Weights that share a scale, and how much their errors count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    format: BlockFormat,
    weights: &'a [f32],
    importance: &'a [f32],
}

impl<'a> Block<'a> {
    pub(super) fn new(format: BlockFormat, weights: &'a [f32], importance: &'a [f32]) -> Self {
        assert!(
            weights.len() <= 128 && weights.len() == importance.len(),
            "at most 128 weights, each with its importance"
        );
        Self { format, weights, importance }
    }

    /// The error of one fit, summed in float32.
    pub(super) fn error_of(&self, fit: BlockFit) -> f32 {
        let (low, high) = fit.steps(self.format);
        let one = |(weight, importance): (&f32, &f32)| {
            let error = weight - fit.scale * nearest_integer(weight / fit.scale, low, high);
            importance * error * error
        };
        self.weights.iter().zip(self.importance).map(one).sum()
    }
}

/// Every candidate with its error, and the fit that it is refitted to with that one's; errors are summed in float32.
#[derive(Debug)]
pub(super) struct Trials {
    groups: [Group; GROUPS],
    candidates: usize,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    zero_points: [i8; LANES],
    scales: [f32; LANES],
    errors: [f32; LANES],
    refitted_scales: [f32; LANES],
    refitted_errors: [f32; LANES],
}

impl Trials {
    /// Tries some candidates.
    ///
    /// # Panics
    /// If there are more than 40.
    pub(super) fn of(block: &Block<'_>, candidates: &[BlockFit]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just said that it has these instructions.
            return unsafe { with_avx2(block, candidates) };
        }
        Self::computed(block, candidates)
    }

    #[inline(always)]
    pub(super) fn computed(block: &Block<'_>, candidates: &[BlockFit]) -> Self {
        let none = [f32::INFINITY; LANES];
        let empty =
            Group { zero_points: [0; LANES], scales: none, errors: none, refitted_scales: none, refitted_errors: none };
        let mut groups = [empty; GROUPS];
        assert!(candidates.len() <= GROUPS * LANES, "at most 40 candidates");
        for (group, fits) in groups.iter_mut().zip(candidates.chunks(LANES)) {
            for (lane, fit) in fits.iter().enumerate() {
                (group.scales[lane], group.zero_points[lane]) = (fit.scale, fit.zero_point);
            }
            group.measure(block);
        }
        Self { groups, candidates: candidates.len() }
    }

    /// The smallest error.
    pub(super) fn least_error(&self) -> f32 {
        let smallest = |least: f32, group: &Group| {
            let lanes = group.errors.iter().zip(&group.refitted_errors);
            lanes.fold(least, |least, (&error, &refitted)| least.min(error).min(refitted))
        };
        self.groups[..self.candidates.div_ceil(LANES)].iter().fold(f32::INFINITY, smallest)
    }

    /// The fits whose error is at most `limit`: each candidate, then what it is refitted to.
    pub(super) fn fits_within(&self, limit: f32) -> impl Iterator<Item = BlockFit> {
        (0..self.candidates).flat_map(move |index| {
            let (group, lane) = (&self.groups[index / LANES], index % LANES);
            let fit = |scale| BlockFit { scale, zero_point: group.zero_points[lane] };
            let candidate = (group.errors[lane] <= limit).then(|| fit(group.scales[lane]));
            let refitted = (group.refitted_errors[lane] <= limit).then(|| fit(group.refitted_scales[lane]));
            [candidate, refitted].into_iter().flatten()
        })
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2(block: &Block<'_>, candidates: &[BlockFit]) -> Trials {
    Trials::computed(block, candidates)
}

/// What rounding a block with each scale leads to.
#[derive(Default)]
struct Sums {
    /// `Σ importance · (weight − rounded)²`.
    errors: [f32; LANES],
    /// `Σ importance · weight · steps`.
    products: [f64; LANES],
    /// `Σ importance · steps²`.
    squares: [f64; LANES],
}

impl Group {
    #[inline(always)]
    fn measure(&mut self, block: &Block<'_>) {
        let candidates = self.sums(block, &self.scales);
        self.errors = candidates.errors;
        // The scale of least squared error for the integers that the candidate leads to.
        let mut quotients = [0.0; LANES];
        for lane in 0..LANES {
            quotients[lane] = candidates.products[lane] / candidates.squares[lane];
        }
        let refitted = block.format.scales.nearest_each(quotients);
        for lane in 0..LANES {
            let has_steps = candidates.squares[lane] > 0.0;
            self.refitted_scales[lane] = if has_steps { refitted[lane] } else { self.scales[lane] };
        }
        self.refitted_errors = self.sums(block, &self.refitted_scales).errors;
    }

    #[inline(always)]
    fn sums(&self, block: &Block<'_>, scales: &[f32; LANES]) -> Sums {
        let steps = self.zero_points.map(|zero_point| BlockFit { scale: 1.0, zero_point }.steps(block.format));
        let (low, high) = (steps.map(|(low, _)| low), steps.map(|(_, high)| high));
        let mut sums = Sums::default();
        for (&weight, &importance) in block.weights.iter().zip(block.importance) {
            let carried = f64::from(importance) * f64::from(weight);
            for lane in 0..LANES {
                let steps = nearest_integer(weight / scales[lane], low[lane], high[lane]);
                let error = weight - scales[lane] * steps;
                sums.errors[lane] += importance * error * error;
                let steps = f64::from(steps);
                sums.products[lane] += carried * steps;
                sums.squares[lane] += f64::from(importance) * steps * steps;
            }
        }
        sums
    }
}
