//! A figure over several runs: its middle, its spread, and how sure a ratio of two of them is.

use serde::{Deserialize, Serialize};

/// Resamplings behind an interval: with so many its ends no longer move in the digits that are shown.
const RESAMPLINGS: usize = 4000;
/// Share of resampled ratios inside an interval.
const CONFIDENCE: f64 = 0.95;

/// A figure over all runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// Each run, in order.
    pub(crate) runs: Vec<f64>,
}

impl Figure {
    /// The figure over `runs`; `None` if there are none.
    pub(crate) fn of(runs: impl IntoIterator<Item = f64>) -> Option<Self> {
        let runs: Vec<f64> = runs.into_iter().collect();
        let least = runs.iter().copied().min_by(f64::total_cmp)?;
        let most = runs.iter().copied().max_by(f64::total_cmp)?;
        Some(Self { median: median(runs.clone()), least, most, runs })
    }

    /// A figure that was taken once.
    pub(crate) fn once(value: f64) -> Self {
        Self { median: value, least: value, most: value, runs: vec![value] }
    }
}

/// The middle value, or the mean of the two in the middle; of nothing it is NaN.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value that a share of all lies below, between two values linearly; of nothing it is NaN.
pub(super) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Ratio of the medians of `after` and `before`, with its 95 % interval if both were run more than once; `None` if the first
/// is 0.
///
/// The interval is the bootstrap's: medians of runs that are drawn again with replacement, from a fixed seed.
pub(super) fn ratio(before: &Figure, after: &Figure) -> Option<(f64, Option<(f64, f64)>)> {
    let ratio = after.median / before.median;
    if !ratio.is_finite() {
        return None;
    }
    if before.runs.len() < 2 || after.runs.len() < 2 {
        return Some((ratio, None));
    }
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let ratios: Vec<f64> = (0..RESAMPLINGS)
        .map(|_| median(random.resample(&after.runs)) / median(random.resample(&before.runs)))
        .collect();
    let outside = (1.0 - CONFIDENCE) / 2.0;
    Some((ratio, Some((quantile(ratios.clone(), outside), quantile(ratios, 1.0 - outside)))))
}

/// Marsaglia's xorshift64: drawing from a handful of runs asks for no more.
struct Random(u64);

impl Random {
    fn resample(&mut self, values: &[f64]) -> Vec<f64> {
        (0..values.len()).map(|_| values[self.below(values.len())]).collect()
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The high half: the low bits of xorshift are its weakest.
        ((self.0 >> 32) % limit as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_even_counts_lies_between() {
        let figure = Figure::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert!((figure.median - 2.5).abs() < 1e-12);
        assert_eq!((figure.least, figure.most), (1.0, 4.0));
        assert_eq!(figure.runs, [4.0, 1.0, 3.0, 2.0], "runs keep their order");
        assert!((Figure::of([5.0, 1.0, 2.0]).unwrap().median - 2.0).abs() < 1e-12);
        assert!(Figure::of([]).is_none());
    }

    #[test]
    fn quantiles_are_linear_between_values() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert!((quantile(values.clone(), 0.9) - 90.0).abs() < 1e-9);
        assert!((quantile(values, 0.995) - 99.5).abs() < 1e-9);
        assert!(quantile(Vec::new(), 0.5).is_nan());
    }

    #[test]
    fn a_ratio_far_from_one_has_an_interval_that_excludes_one() {
        let before = Figure::of([100.0, 101.0, 99.0, 102.0, 98.0]).unwrap();
        let after = Figure::of([150.0, 149.0, 151.0, 148.0, 152.0]).unwrap();
        let (middle, interval) = ratio(&before, &after).unwrap();
        let (low, high) = interval.unwrap();
        assert!((middle - 1.5).abs() < 1e-9);
        assert!(1.4 < low && low <= middle && middle <= high && high < 1.6, "{low} {high}");
        let (middle, interval) = ratio(&before, &before).unwrap();
        let (low, high) = interval.unwrap();
        assert!((middle - 1.0).abs() < 1e-9 && low < 1.0 && 1.0 < high, "{low} {high}");
        assert_eq!(ratio(&Figure::once(1.0), &after).unwrap().1, None, "one run says nothing about spread");
        assert_eq!(ratio(&Figure::once(0.0), &after), None, "nothing is a multiple of nothing");
    }
}
