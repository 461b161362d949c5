//! Two students' logits for the same tokens, position by position: how far apart, and how far apart their distributions.

use pupil_models::bundle::LogitError;

/// Sums over the positions seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogitSums {
    positions: usize,
    values: usize,
    max: f32,
    squares: f64,
    divergence: f64,
    max_divergence: f64,
    same_top: usize,
    /// Largest magnitude of an expected logit.
    largest: f32,
}

impl LogitSums {
    /// Adds one position: the logits that are `expected` and those that were `found`, finite and as many.
    ///
    /// # Panics
    /// The rows are of different lengths.
    pub fn add(&mut self, expected: &[f32], found: &[f32]) {
        assert_eq!(expected.len(), found.len(), "rows of one vocabulary");
        for (&expected, &found) in expected.iter().zip(found) {
            let difference = (expected - found).abs();
            self.max = self.max.max(difference);
            self.squares += f64::from(difference) * f64::from(difference);
            self.largest = self.largest.max(expected.abs());
        }
        let divergence = divergence(expected, found);
        self.divergence += divergence;
        self.max_divergence = self.max_divergence.max(divergence);
        self.same_top += usize::from(argmax(expected) == argmax(found));
        self.values += expected.len();
        self.positions += 1;
    }

    /// The numbers for the manifest.
    #[must_use]
    pub fn error(&self) -> LogitError {
        LogitError {
            positions: self.positions,
            max: self.max,
            rms: (self.squares / self.values.max(1) as f64).sqrt(),
            mean_kl: self.divergence / self.positions.max(1) as f64,
            max_kl: self.max_divergence,
            same_top: self.same_top,
        }
    }

    /// Largest magnitude of an expected logit.
    #[must_use]
    pub fn largest(&self) -> f32 {
        self.largest
    }
}

/// The Kullback-Leibler divergence `Σ p · ln(p / q)` of the distribution of `found` from that of `expected`, in nats.
///
/// Never negative: what is below zero is rounding.
#[must_use]
pub fn divergence(expected: &[f32], found: &[f32]) -> f64 {
    let (expected_norm, found_norm) = (log_sum_exp(expected), log_sum_exp(found));
    let terms = expected.iter().zip(found).map(|(&expected, &found)| {
        let log_p = f64::from(expected) - expected_norm;
        let log_q = f64::from(found) - found_norm;
        log_p.exp() * (log_p - log_q)
    });
    terms.sum::<f64>().max(0.0)
}

/// `ln Σ exp(logit)`, the largest logit taken out so that nothing overflows.
fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    largest + sum.ln()
}

/// Index of the largest logit, the first of equals, as in the runtime.
#[must_use]
pub fn argmax(row: &[f32]) -> u32 {
    let mut best = 0;
    for (index, &logit) in row.iter().enumerate() {
        if logit > row[best] {
            best = index;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits whose distribution is known: logarithms of probabilities, all shifted alike.
    fn logits(probabilities: &[f64], shift: f64) -> Vec<f32> {
        probabilities.iter().map(|probability| (probability.ln() + shift) as f32).collect()
    }

    #[test]
    fn divergences_are_those_of_known_distributions() {
        // By hand: 0.5 ln(0.5/0.25) + 0.25 ln(0.25/0.5) + 0.25 ln(1) = 0.25 ln 2.
        let (expected, found) = ([0.5, 0.25, 0.25], [0.25, 0.5, 0.25]);
        let by_hand = 0.25 * std::f64::consts::LN_2;
        for shift in [0.0, 80.0, -300.0] {
            let computed = divergence(&logits(&expected, shift), &logits(&found, -shift));
            assert!((computed - by_hand).abs() < 1e-4, "shift {shift}: {computed}");
        }
        // Not symmetric: 0.9 ln(0.9/0.5) + 0.1 ln(0.1/0.5), and 0.5 ln(0.5/0.9) + 0.5 ln(0.5/0.1).
        let (one, other) = (logits(&[0.9, 0.1], 0.0), logits(&[0.5, 0.5], 0.0));
        assert!((divergence(&one, &other) - 0.368_064).abs() < 1e-6);
        assert!((divergence(&other, &one) - 0.510_826).abs() < 1e-6);
    }

    #[test]
    fn logits_that_exp_cannot_hold_have_a_divergence() {
        assert!(divergence(&[1000.0, 0.0], &[1000.0, 0.0]).abs() < 1e-12);
        // The expected token has probability 1, and e^-1000 in what was found.
        assert!((divergence(&[1000.0, 0.0], &[0.0, 1000.0]) - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn sums_are_the_largest_the_root_mean_square_and_the_share() {
        let mut sums = LogitSums::default();
        sums.add(&[1.0, -8.0], &[1.0, -8.0]);
        sums.add(&[3.0, 1.0], &[0.0, 5.0]);
        let error = sums.error();
        assert_eq!((error.positions, error.same_top), (2, 1));
        // Differences 0, 0, 3 and 4: the root of 25 / 4.
        assert!((error.max - 4.0).abs() < 1e-6 && (error.rms - 2.5).abs() < 1e-12, "{error:?}");
        assert!((sums.largest() - 8.0).abs() < 1e-6);
        // Softmax of (3, 1) is (σ(2), σ(-2)), of (0, 5) it is (σ(-5), σ(5)).
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let kl =
            sigmoid(2.0) * (sigmoid(2.0) / sigmoid(-5.0)).ln() + sigmoid(-2.0) * (sigmoid(-2.0) / sigmoid(5.0)).ln();
        assert!((error.max_kl - kl).abs() < 1e-9 && (error.mean_kl - kl / 2.0).abs() < 1e-9, "{error:?} {kl}");
    }

    #[test]
    fn nothing_seen_is_no_error() {
        assert_eq!(LogitSums::default().error(), LogitError::default());
    }
}
