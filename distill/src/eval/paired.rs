//! Two methods on the same questions: is the difference between their accuracies more than chance?

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{GradedCompletion, wilson};

/// How two methods did on the questions that both answered; `difference` is the first accuracy minus the second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Questions that both answered right.
    pub both: usize,
    /// Questions that only the first method answered right.
    pub first_only: usize,
    /// Questions that only the second method answered right.
    pub second_only: usize,
    /// Questions that neither answered right.
    pub neither: usize,
    /// Accuracy of the first method minus that of the second.
    pub difference: f64,
    /// Lower end of the difference's 95 % interval.
    pub low: f64,
    /// Upper end of the difference's 95 % interval.
    pub high: f64,
    /// Two-sided exact p-value of McNemar's test; 1 where the methods never differ.
    pub p_value: f64,
}

impl Paired {
    /// The comparison of two methods by their graded completions, matched by example; examples that one of them lacks are
    /// left out. `None` if no example is in both.
    #[must_use]
    pub fn of(first: &[GradedCompletion], second: &[GradedCompletion]) -> Option<Self> {
        Self::of_answers(first.iter().map(answer), second.iter().map(answer))
    }

    /// The same by the ids of examples, and whether each was answered right.
    #[must_use]
    pub fn of_answers<'a>(
        first: impl IntoIterator<Item = (&'a str, bool)>,
        second: impl IntoIterator<Item = (&'a str, bool)>,
    ) -> Option<Self> {
        let others: HashMap<&str, bool> = second.into_iter().collect();
        let pairs = first.into_iter().filter_map(|(id, correct)| Some((correct, *others.get(id)?)));
        let mut counts = [0; 4];
        for (one, other) in pairs {
            counts[match (one, other) {
                (true, true) => 0,
                (true, false) => 1,
                (false, true) => 2,
                (false, false) => 3,
            }] += 1;
        }
        (counts != [0; 4]).then(|| Self::of_counts(counts))
    }

    /// The comparison by its four counts: both right, only the first, only the second, neither.
    ///
    /// Without any question the difference is 0 and its interval all of [-1, 1].
    #[must_use]
    pub fn of_counts(counts: [usize; 4]) -> Self {
        let [both, first_only, second_only, neither] = counts;
        let (difference, low, high) = newcombe(counts);
        let p_value = mcnemar(first_only, second_only);
        Self { both, first_only, second_only, neither, difference, low, high, p_value }
    }
}

fn answer(graded: &GradedCompletion) -> (&str, bool) {
    (graded.id.as_str(), graded.correct)
}

/// The two-sided exact p-value of McNemar's test for so many questions that only one of two methods answered right: twice
/// the binomial tail at one half, at most 1.
#[must_use]
pub fn mcnemar(first_only: usize, second_only: usize) -> f64 {
    let trials = first_only + second_only;
    let fewer = first_only.min(second_only);
    // Terms of the tail relative to each other, then all scaled by 2^-trials: no term overflows, however many trials.
    let mut logarithm = 0.0;
    let mut tail = 0.0;
    for successes in 0..=fewer {
        tail += (logarithm - trials as f64 * std::f64::consts::LN_2).exp();
        logarithm += ((trials - successes) as f64).ln() - ((successes + 1) as f64).ln();
    }
    (2.0 * tail).min(1.0)
}

/// Difference and 95 % interval of two paired fractions: Newcombe 1998 (Statistics in Medicine 17, 2635), method 10, which
/// squares and adds the Wilson intervals of both and corrects for their correlation.
fn newcombe(counts: [usize; 4]) -> (f64, f64, f64) {
    let total = counts.iter().sum::<usize>();
    if total == 0 {
        return (0.0, -1.0, 1.0);
    }
    let [both, first_only, second_only, _] = counts;
    let phi = correlation(counts);
    let [first, second] = [both + first_only, both + second_only].map(|successes| {
        let (low, high) = wilson(successes, total);
        let fraction = successes as f64 / total as f64;
        (fraction, fraction - low, high - fraction)
    });
    let difference = first.0 - second.0;
    let distance = |one: f64, other: f64| (one * one - 2.0 * phi * one * other + other * other).max(0.0).sqrt();
    let low = difference - distance(first.1, second.2);
    let high = difference + distance(first.2, second.1);
    (difference, low.max(-1.0), high.min(1.0))
}

/// The phi coefficient of the two methods, with the paper's continuity correction.
fn correlation(counts: [usize; 4]) -> f64 {
    let [both, first_only, second_only, neither] = counts.map(|count| count as f64);
    let total = both + first_only + second_only + neither;
    let margins = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither);
    if margins == 0.0 {
        return 0.0;
    }
    let raw = both * neither - first_only * second_only;
    let corrected = if raw < 0.0 { raw } else { (raw - total / 2.0).max(0.0) };
    corrected / margins.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() <= 1e-12
    }

    #[test]
    fn p_values_are_statsmodels() {
        // statsmodels.stats.contingency_tables.mcnemar(table, exact=True).pvalue, the same as scipy.stats.binomtest.
        for (first_only, second_only, expected) in [
            (10, 2, 0.038_574_218_75),
            (1, 7, 0.070_312_5),
            (5, 5, 1.0),
            (0, 6, 0.031_25),
            (40, 23, 0.042_956_545_524_389_21),
            (150, 200, 0.008_720_036_530_555_947),
            (3, 0, 0.25),
        ] {
            let found = mcnemar(first_only, second_only);
            assert!(near(found, expected), "{first_only} {second_only}: {found}");
        }
        assert!(near(mcnemar(0, 0), 1.0), "methods that never differ");
        assert!(mcnemar(0, 5000).is_finite() && mcnemar(2500, 2500) <= 1.0, "no overflow");
    }

    #[test]
    fn intervals_are_the_published_ones() {
        // Fagerland, Lydersen and Laake 2014, table 1: (-0.507, -0.026).
        let paired = Paired::of_counts([1, 1, 7, 12]);
        assert!((paired.low + 0.507).abs() < 5e-4 && (paired.high + 0.026).abs() < 5e-4, "{paired:?}");
        // Newcombe's formula with the Wilson intervals of statsmodels.stats.proportion.proportion_confint.
        for (counts, low, high) in [
            ([1, 1, 7, 12], -0.506_920_226_686_141, -0.025_559_124_164_859_837),
            ([36, 12, 2, 0], 0.056_929_584_003_238_75, 0.340_427_602_974_940_8),
            ([20, 12, 2, 16], 0.056_156_424_841_748_21, 0.329_206_995_400_140_53),
            ([0, 10, 0, 0], 0.607_509_350_430_524_1, 1.0),
            ([43, 0, 0, 32], -0.026_471_095_307_704_796, 0.026_471_095_307_704_796),
            ([14, 5, 0, 22], 0.011_483_241_383_033_221, 0.226_492_684_351_211_2),
        ] {
            let paired = Paired::of_counts(counts);
            assert!(near(paired.low, low) && near(paired.high, high), "{counts:?}: {paired:?}");
        }
    }

    #[test]
    fn swapping_the_methods_turns_the_sign() {
        let one = Paired::of_counts([20, 12, 2, 16]);
        let other = Paired::of_counts([20, 2, 12, 16]);
        assert!(
            near(one.difference, -other.difference) && near(one.low, -other.high) && near(one.p_value, other.p_value)
        );
    }
}
