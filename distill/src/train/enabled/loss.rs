//! What is minimised: the weighted mean of the cross-entropy over the tokens that the samples are to learn.
//!
//! For the samples `i` of an optimizer step, each with weight `w_i`, target tokens `t` and `n_i` of them,
//! `loss = Σ_i w_i Σ_t −ln p(t) / Σ_i w_i n_i`. Where every weight is 1 this is the plain mean over the target tokens; only the
//! weights' proportions within a step matter, so that a step of samples that are all weighed alike teaches as if none were.

use tch::{Kind, Reduction, TchError, Tensor};

use crate::sample::TrainingSample;
use crate::student::TokenBatch;

/// Target of a token that the loss passes over; none is.
const IGNORED: i64 = -100;

/// The numerator, of `logits` with one row for each of `targets`, sample by sample.
pub(super) fn weighed_sum(logits: &Tensor, targets: &Tensor, rows: &[&TrainingSample]) -> Result<Tensor, TchError> {
    let cross_entropy = |reduction| logits.f_cross_entropy_loss(targets, None::<&Tensor>, reduction, IGNORED, 0.0);
    if rows.iter().all(|row| row.weight.is_full()) {
        return cross_entropy(Reduction::Sum);
    }
    let weights: Vec<f32> =
        rows.iter().flat_map(|row| std::iter::repeat_n(row.weight.get() as f32, row.target_tokens())).collect();
    cross_entropy(Reduction::None)?.f_mul(&Tensor::f_from_slice(&weights)?)?.f_sum(Kind::Float)
}

/// The denominator. A step in which nothing counts is divided by 1: its loss and its gradient are 0.
pub(super) fn weighed_tokens<'a>(rows: impl Iterator<Item = &'a TrainingSample>) -> f64 {
    let tokens: f64 = rows.map(TrainingSample::weighed_tokens).sum();
    if tokens > 0.0 { tokens } else { 1.0 }
}

/// Right-padded ids and the targets of the rows whose next token the loss covers.
///
/// Causal attention never looks right, so padding needs no mask: no wanted row can see it.
pub(super) fn collate(rows: &[&TrainingSample]) -> Result<(TokenBatch, Tensor), TchError> {
    let width = rows.iter().map(|row| row.ids.len()).max().unwrap_or(1);
    let mut ids = vec![0_i64; rows.len() * width];
    let (mut wanted, mut targets) = (Vec::new(), Vec::new());
    for (row, sample) in rows.iter().enumerate() {
        for (column, &id) in sample.ids.iter().enumerate() {
            ids[row * width + column] = i64::from(id);
            if column >= sample.prompt_tokens {
                wanted.push((row * width + column - 1) as i64);
                targets.push(i64::from(id));
            }
        }
    }
    let ids = Tensor::f_from_slice(&ids)?.f_view([rows.len() as i64, width as i64])?;
    Ok((TokenBatch { ids, wanted_rows: Some(Tensor::f_from_slice(&wanted)?) }, Tensor::f_from_slice(&targets)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::SampleWeight;

    const VOCABULARY: usize = 3;
    /// One row a target token: two of the first sample, one of the second.
    const LOGITS: [f32; 9] = [0.5, -1.0, 2.0, 0.0, 1.5, -0.5, 3.0, 0.25, -2.0];
    const TARGETS: [i64; 3] = [2, 0, 1];

    fn samples(weights: [f64; 2]) -> [TrainingSample; 2] {
        let sample = |ids: Vec<u32>, weight| TrainingSample {
            id: String::new(),
            ids,
            prompt_tokens: 1,
            weight: SampleWeight::try_from(weight).unwrap(),
        };
        [sample(vec![0, 2, 0], weights[0]), sample(vec![0, 1], weights[1])]
    }

    /// The loss, and its gradient by the logits.
    fn loss(weights: [f64; 2]) -> (f64, Vec<f32>) {
        let samples = samples(weights);
        let logits = Tensor::from_slice(&LOGITS).view([3, VOCABULARY as i64]).set_requires_grad(true);
        let sum = weighed_sum(&logits, &Tensor::from_slice(&TARGETS), &samples.iter().collect::<Vec<_>>()).unwrap();
        let loss = sum / weighed_tokens(samples.iter());
        loss.backward();
        (f64::try_from(&loss).unwrap(), Vec::try_from(logits.grad().view([-1])).unwrap())
    }

    /// The same by hand, in float64: for each token −ln softmax and its derivative, softmax minus one.
    fn by_hand(weights: [f64; 2]) -> (f64, Vec<f64>) {
        let per_token = [weights[0], weights[0], weights[1]];
        let total: f64 = per_token.iter().sum();
        let (mut loss, mut gradient) = (0.0, Vec::new());
        for ((row, target), weight) in LOGITS.chunks(VOCABULARY).zip(TARGETS).zip(per_token) {
            let exponentials: Vec<f64> = row.iter().map(|&logit| f64::from(logit).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            loss -= weight * (exponentials[target as usize] / sum).ln() / total;
            gradient.extend(exponentials.iter().zip(0..).map(|(exponential, class)| {
                weight * (exponential / sum - f64::from(u8::from(class == target))) / total
            }));
        }
        (loss, gradient)
    }

    #[test]
    fn weights_act_as_the_formula_says() {
        for weights in [[1.0, 1.0], [0.25, 1.0], [1.0, 0.5], [0.125, 0.75], [0.0, 1.0]] {
            let ((loss, gradient), (expected, derivative)) = (loss(weights), by_hand(weights));
            // Losses of order 1 in float32.
            assert!((loss - expected).abs() < 1e-6, "{weights:?}: {loss} and {expected}");
            for (found, expected) in gradient.iter().zip(&derivative) {
                assert!((f64::from(*found) - expected).abs() < 1e-6, "{weights:?}: {gradient:?} and {derivative:?}");
            }
        }
    }

    #[test]
    fn a_sample_without_weight_is_as_good_as_absent_and_equal_weights_change_nothing() {
        let (alone, gradient) = loss([0.0, 1.0]);
        assert!(gradient[..6].iter().all(|&value| value == 0.0), "{gradient:?}");
        assert!((alone - by_hand([0.0, 1.0]).0).abs() < 1e-6);
        let ((full, whole), (half, halved)) = (loss([1.0, 1.0]), loss([0.5, 0.5]));
        assert!((full - half).abs() < 1e-6, "{full} and {half}");
        assert!(whole.iter().zip(&halved).all(|(left, right)| (left - right).abs() < 1e-6), "{whole:?} and {halved:?}");
        assert_eq!(loss([0.0, 0.0]), (0.0, vec![0.0; 9]));
    }

    #[test]
    fn full_weights_give_the_plain_sum_bit_for_bit() {
        let (logits, targets) = (Tensor::from_slice(&LOGITS).view([3, 3]), Tensor::from_slice(&TARGETS));
        let plain = logits.cross_entropy_loss(&targets, None::<&Tensor>, Reduction::Sum, IGNORED, 0.0);
        let samples = samples([1.0, 1.0]);
        let sum = weighed_sum(&logits, &targets, &samples.iter().collect::<Vec<_>>()).unwrap();
        let bits = |tensor: &Tensor| f32::try_from(tensor).unwrap().to_bits();
        assert_eq!(bits(&sum), bits(&plain));
        assert_eq!(weighed_tokens(samples.iter()).to_bits(), 3.0_f64.to_bits());
    }
}
