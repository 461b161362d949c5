//! From logits to the next token.

use crate::request::Sampling;

/// The id of a token.
pub type TokenId = u32;

/// A chosen token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) token: TokenId,
    /// Natural logarithm of its probability under the student's own distribution, before any temperature.
    pub(crate) logprob: f32,
}

/// Chooses tokens as a [`Sampling`] says.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    sampling: Sampling,
    random: SplitMix64,
    candidates: Vec<(f32, TokenId)>,
}

impl Sampler {
    pub(crate) fn new(sampling: Sampling) -> Self {
        let seed = if let Sampling::Random { seed, .. } = sampling { seed } else { 0 };
        Self { sampling, random: SplitMix64(seed), candidates: Vec::new() }
    }

    /// The same sampling from another seed.
    pub(crate) fn reseeded(&self, seed: u64) -> Self {
        Self { sampling: self.sampling, random: SplitMix64(seed), candidates: Vec::new() }
    }

    /// Chooses a token.
    ///
    /// # Errors
    /// The first logit that is NaN or infinite.
    pub(crate) fn choose(&mut self, logits: &[f32]) -> Result<Choice, f32> {
        let greedy = most_probable(logits)?;
        let token = match self.sampling {
            Sampling::Greedy => greedy,
            Sampling::Random { temperature, top_k, top_p, .. } => {
                let most = logits[greedy as usize];
                self.candidates.clear();
                self.candidates.extend(logits.iter().zip(0..).map(|(&logit, id)| ((logit - most) / temperature, id)));
                if let Some(top_k) = top_k.map(std::num::NonZero::get).filter(|&top_k| top_k < logits.len()) {
                    self.candidates.select_nth_unstable_by(top_k - 1, by_probability);
                    self.candidates.truncate(top_k);
                }
                self.draw(top_p.unwrap_or(1.0))
            }
        };
        Ok(Choice { token, logprob: log_probability(logits, token) })
    }

    /// Draws one of the candidates, whose first parts are scaled logits below their maximum 0.
    fn draw(&mut self, top_p: f32) -> TokenId {
        if top_p < 1.0 {
            self.candidates.sort_unstable_by(by_probability);
        } else {
            // An order that does not depend on how the selection above left them.
            self.candidates.sort_unstable_by_key(|&(_, id)| id);
        }
        let whole: f64 = self.candidates.iter().map(|&(logit, _)| f64::from(logit).exp()).sum();
        if top_p < 1.0 {
            let mut mass = 0.0;
            let reached = self.candidates.iter().position(|&(logit, _)| {
                mass += f64::from(logit).exp();
                mass >= whole * f64::from(top_p)
            });
            self.candidates.truncate(reached.map_or(self.candidates.len(), |last| last + 1));
        }
        let kept: f64 = self.candidates.iter().map(|&(logit, _)| f64::from(logit).exp()).sum();
        let mut left = self.random.uniform() * kept;
        for &(logit, id) in &self.candidates {
            left -= f64::from(logit).exp();
            if left < 0.0 {
                return id;
            }
        }
        // Rounding can leave a crumb; it belongs to the last candidate that has any probability.
        self.candidates.iter().rev().find(|(logit, _)| logit.exp() > 0.0).map_or(0, |&(_, id)| id)
    }
}

/// Most probable first, of equals the lowest id.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that sorting calls")]
fn by_probability(left: &(f32, TokenId), right: &(f32, TokenId)) -> std::cmp::Ordering {
    right.0.total_cmp(&left.0).then(left.1.cmp(&right.1))
}

fn most_probable(logits: &[f32]) -> Result<TokenId, f32> {
    let mut best = (f32::NEG_INFINITY, 0);
    for (&logit, id) in logits.iter().zip(0..) {
        if !logit.is_finite() {
            return Err(logit);
        }
        if logit > best.0 {
            best = (logit, id);
        }
    }
    Ok(best.1)
}

/// `logit - log Σ exp(logits)`, stable because the maximum is taken out first.
fn log_probability(logits: &[f32], token: TokenId) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from((logit - most).exp())).sum();
    (f64::from(logits[token as usize] - most) - sum.ln()) as f32
}

/// `SplitMix64` (Steele, Lea and Flood 2014): 64 bits of state, ample for choosing tokens.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `[0, 1)` with 53 random bits.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    fn random(temperature: f32, top_k: Option<usize>, top_p: Option<f32>, seed: u64) -> Sampler {
        Sampler::new(Sampling::Random { temperature, top_k: top_k.and_then(NonZeroUsize::new), top_p, seed })
    }

    #[test]
    fn greedy_takes_the_lowest_id_of_equals() {
        let choice = Sampler::new(Sampling::Greedy).choose(&[1.0, 3.0, 3.0, -2.0]).unwrap();
        assert_eq!(choice.token, 1);
        let expected = -(2.0f32 + (-2.0f32).exp() + (-5.0f32).exp()).ln();
        assert!((choice.logprob - expected).abs() < 1e-6, "{}", choice.logprob);
    }

    #[test]
    fn logprob_is_stable_for_huge_logits() {
        let choice = Sampler::new(Sampling::Greedy).choose(&[1e30, 1e30]).unwrap();
        assert!((choice.logprob - 0.5f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_logit_that_is_not_finite_is_reported() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(Sampler::new(Sampling::Greedy).choose(&[0.0, bad]).is_err());
        }
    }

    #[test]
    fn the_published_generator_is_reproduced() {
        // First outputs of the reference implementation for seed 1234567.
        let mut random = SplitMix64(1_234_567);
        assert_eq!([random.next(), random.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn frequencies_follow_the_distribution() {
        let logits = [0.6f32.ln(), 0.3f32.ln(), 0.1f32.ln()];
        let mut counts = [0; 3];
        let mut sampler = random(1.0, None, None, 11);
        for _ in 0..20_000 {
            counts[sampler.choose(&logits).unwrap().token as usize] += 1;
        }
        for (count, probability) in counts.into_iter().zip([0.6, 0.3, 0.1]) {
            assert!((f64::from(count) / 20_000.0 - probability).abs() < 0.02, "{counts:?}");
        }
    }

    #[test]
    fn top_k_and_top_p_leave_only_the_most_probable() {
        let logits = [0.1f32.ln(), 0.5f32.ln(), 0.4f32.ln()];
        for seed in 0..200 {
            assert_ne!(random(5.0, Some(2), None, seed).choose(&logits).unwrap().token, 0);
            assert_ne!(random(1.0, None, Some(0.85), seed).choose(&logits).unwrap().token, 0);
            assert_eq!(random(1.0, Some(1), None, seed).choose(&logits).unwrap().token, 1);
            assert_eq!(random(1.0, None, Some(1e-6), seed).choose(&logits).unwrap().token, 1);
            assert_eq!(random(1e-6, None, None, seed).choose(&logits).unwrap().token, 1);
        }
    }
}
