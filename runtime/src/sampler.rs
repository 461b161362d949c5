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
    candidates: Candidates,
}

/// Tokens that may be drawn, with what their probabilities are proportional to.
///
/// A vocabulary is long and is gone through for every token of every row, so that the passes are loops over plain numbers.
#[derive(Clone, Debug, Default)]
struct Candidates {
    /// `exp(scaled logit − largest)` of every token, by id.
    weights: Vec<f32>,
    /// Only where not every token may be drawn: weights and ids of those that may, the most probable first.
    ranked: Vec<(f32, TokenId)>,
}

impl Sampler {
    pub(crate) fn new(sampling: Sampling) -> Self {
        let seed = if let Sampling::Random { seed, .. } = sampling { seed } else { 0 };
        Self { sampling, random: SplitMix64(seed), candidates: Candidates::default() }
    }

    /// The same sampling from another seed.
    pub(crate) fn reseeded(&self, seed: u64) -> Self {
        Self { sampling: self.sampling, random: SplitMix64(seed), candidates: Candidates::default() }
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
                self.candidates.weigh(logits, logits[greedy as usize], temperature);
                let share = self.random.uniform();
                match (top_k, top_p.filter(|&top_p| top_p < 1.0)) {
                    (None, None) => self.candidates.draw(share),
                    (top_k, top_p) => {
                        let most = top_k.map_or(logits.len(), |top_k| top_k.get().min(logits.len()));
                        self.candidates.draw_ranked(most, top_p.unwrap_or(1.0), share)
                    }
                }
            }
        };
        Ok(Choice { token, logprob: log_probability(logits, logits[greedy as usize], token) })
    }
}

impl Candidates {
    fn weigh(&mut self, logits: &[f32], largest: f32, temperature: f32) {
        self.weights.clear();
        self.weights.extend(logits.iter().map(|&logit| exponential((logit - largest) / temperature)));
    }

    /// The token at which `share`, in `[0, 1)`, of all weight is passed.
    fn draw(&self, share: f64) -> TokenId {
        let left = share * total(&self.weights);
        pass(left, self.weights.iter().copied().zip(0..))
    }

    /// As [`Self::draw`], among the `most` most probable tokens, and of these the fewest that have `top_p` of their weight.
    fn draw_ranked(&mut self, most: usize, top_p: f32, share: f64) -> TokenId {
        self.ranked.clear();
        self.ranked.extend(self.weights.iter().copied().zip(0..));
        if most < self.ranked.len() {
            self.ranked.select_nth_unstable_by(most - 1, by_probability);
            self.ranked.truncate(most);
        }
        if top_p < 1.0 {
            let wanted = f64::from(top_p) * self.ranked.iter().map(|&(weight, _)| f64::from(weight)).sum::<f64>();
            keep_nucleus(&mut self.ranked, wanted);
        } else {
            // An order that does not depend on how the selection left them.
            self.ranked.sort_unstable_by_key(|&(_, id)| id);
        }
        let kept: f64 = self.ranked.iter().map(|&(weight, _)| f64::from(weight)).sum();
        pass(share * kept, self.ranked.iter().copied())
    }
}

/// Keeps the fewest most probable candidates that together weigh `wanted`, the most probable first.
fn keep_nucleus(candidates: &mut Vec<(f32, TokenId)>, wanted: f64) {
    // Nearly always a few suffice, and sorting all would take longer than everything else.
    let mut sorted = 64;
    loop {
        let end = sorted.min(candidates.len());
        if end < candidates.len() {
            candidates.select_nth_unstable_by(end - 1, by_probability);
        }
        candidates[..end].sort_unstable_by(by_probability);
        let mut mass = 0.0;
        let reached = candidates[..end].iter().position(|&(weight, _)| {
            mass += f64::from(weight);
            mass >= wanted
        });
        if let Some(last) = reached {
            candidates.truncate(last + 1);
            return;
        }
        if end == candidates.len() {
            return;
        }
        sorted *= 8;
    }
}

/// The first candidate at which the weights so far exceed `left`.
fn pass(mut left: f64, candidates: impl Iterator<Item = (f32, TokenId)>) -> TokenId {
    let mut last = 0;
    for (weight, id) in candidates {
        left -= f64::from(weight);
        if left < 0.0 {
            return id;
        }
        // Rounding can leave a crumb; it belongs to the last candidate that has any probability.
        if weight > 0.0 {
            last = id;
        }
    }
    last
}

/// Most probable first, of equals the lowest id.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that sorting calls")]
fn by_probability(left: &(f32, TokenId), right: &(f32, TokenId)) -> std::cmp::Ordering {
    right.0.total_cmp(&left.0).then(left.1.cmp(&right.1))
}

fn most_probable(logits: &[f32]) -> Result<TokenId, f32> {
    if let Some(&bad) = logits.iter().find(|logit| !logit.is_finite()) {
        return Err(bad);
    }
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    Ok(logits.iter().position(|&logit| logit >= largest).unwrap_or(0) as TokenId)
}

/// `logit - log Σ exp(logits)`, stable because the largest is taken out first.
fn log_probability(logits: &[f32], largest: f32, token: TokenId) -> f32 {
    let sum = total_of(logits, |logit| exponential(logit - largest));
    (f64::from(logits[token as usize] - largest) - sum.ln()) as f32
}

fn total(weights: &[f32]) -> f64 {
    total_of(weights, |weight| weight)
}

/// `Σ of(value)`, in an order that can be computed side by side.
fn total_of(values: &[f32], of: impl Fn(f32) -> f32) -> f64 {
    let mut sums = [0.0f64; 8];
    let chunks = values.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(|&value| f64::from(of(value))).sum();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(of(value));
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// `exp(x)` for `x ≤ 0`, within 2e-7 of it; 0 below -87.
///
/// `x = n · ln 2 + r` with `|r| ≤ ln 2 / 2`, and Cephes' polynomial for `exp(r)`: without branches, unlike the library's, so
/// that a whole vocabulary is computed several numbers at a time.
fn exponential(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Adding it rounds to a whole number, which then lies in the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    let clamped = x.max(-87.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = clamped - n * LN_2_HIGH - n * LN_2_LOW;
    let polynomial = [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5];
    let tail = polynomial.into_iter().fold(1.987_569_1e-4, |sum: f32, term| sum * r + term);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    let value = (tail * r * r + r + 1.0) * power;
    if x < -87.0 { 0.0 } else { value }
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
    fn exponentials_are_those_of_the_library() {
        for step in 0..=87_000 {
            let x = -(step as f32) / 1000.0;
            let expected = f64::from(x).exp();
            let found = f64::from(exponential(x));
            assert!((found - expected).abs() <= 2e-7 * expected, "{x}: {found} and {expected}");
        }
        assert_eq!((exponential(0.0), exponential(-0.0), exponential(-87.1), exponential(-1e38)), (1.0, 1.0, 0.0, 0.0));
    }

    #[test]
    fn a_nucleus_is_what_sorting_everything_gives() {
        let mut random = SplitMix64(3);
        for (count, spread) in [(10, 5.0), (3000, 2.0), (3000, 0.01), (3000, 30.0)] {
            let weights = (0..count).map(|id| (exponential((-random.uniform() * spread) as f32), id));
            let candidates: Vec<(f32, TokenId)> = weights.collect();
            for top_p in [1e-6, 0.3, 0.9, 0.999] {
                let whole: f64 = candidates.iter().map(|&(weight, _)| f64::from(weight)).sum();
                let mut found = candidates.clone();
                keep_nucleus(&mut found, top_p * whole);
                let mut sorted = candidates.clone();
                sorted.sort_unstable_by(by_probability);
                assert_eq!(found, sorted[..found.len()]);
                let mass = |kept: &[(f32, TokenId)]| kept.iter().map(|&(weight, _)| f64::from(weight)).sum::<f64>();
                assert!(mass(&found) >= top_p * whole && mass(&found[..found.len() - 1]) < top_p * whole);
            }
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
