//! The search against its definition, one candidate and one weight after the other in float64.

use proptest::collection::vec;
use proptest::prelude::*;

use super::block::{BlockFit, covering, spanning};
use super::format::{Bits, BlockColumns, BlockFormat, ScaleType};
use super::lanes::{Block, Trials};
use super::search::least_error;

const FOUR_BITS: [f64; 12] = [1.1, 1.05, 1.0, 0.95, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7, 0.65, 0.6];
const EIGHT_BITS: [f64; 4] = [1.0, 0.99, 0.97, 0.94];

/// The definition of [`least_error`].
fn defined(format: BlockFormat, weights: &[f32], importance: &[f32]) -> BlockFit {
    let mut best = covering(format, weights);
    let mut least = best.error(format, weights, importance);
    if !best.scale.is_finite() || least == 0.0 {
        return best;
    }
    let shares: &[f64] = if format.bits == Bits::Four { &FOUR_BITS } else { &EIGHT_BITS };
    for candidate in shares.iter().flat_map(|&share| candidates(format, weights, share)) {
        for fit in [candidate, refitted(format, candidate, weights, importance)] {
            let error = fit.error(format, weights, importance);
            if fit.scale.is_finite() && fit.scale != 0.0 && error < least {
                (best, least) = (fit, error);
            }
        }
    }
    best
}

fn candidates(format: BlockFormat, weights: &[f32], share: f64) -> Vec<BlockFit> {
    let low = f64::from(weights.iter().copied().fold(0.0, f32::min));
    let high = f64::from(weights.iter().copied().fold(0.0, f32::max));
    if format.zero_points {
        let ends = [(low * share, high * share), (low * share, high), (low, high * share)];
        return ends.into_iter().map(|(low, high)| spanning(format, low, high)).collect();
    }
    let largest = high.max(-low) * share;
    let scales = match format.bits {
        Bits::Four => vec![largest / 7.5, largest.copysign(-(high + low)) / 8.0],
        Bits::Eight => vec![largest / 127.0],
    };
    scales.into_iter().map(|scale| BlockFit { scale: format.scales.nearest(scale), zero_point: 0 }).collect()
}

fn refitted(format: BlockFormat, fit: BlockFit, weights: &[f32], importance: &[f32]) -> BlockFit {
    let (mut product, mut square) = (0.0, 0.0);
    for (&weight, &importance) in weights.iter().zip(importance) {
        let steps = f64::from(fit.integer(format, weight)) - f64::from(fit.zero_point);
        product += f64::from(importance) * f64::from(weight) * steps;
        square += f64::from(importance) * steps * steps;
    }
    let scale = if square > 0.0 { format.scales.nearest(product / square) } else { fit.scale };
    BlockFit { scale, ..fit }
}

fn formats() -> impl Strategy<Value = BlockFormat> {
    (0usize..2, 0usize..3, any::<bool>(), any::<bool>()).prop_map(|(bits, block, zero_points, half)| BlockFormat {
        bits: Bits::ALL[bits],
        block: BlockColumns::ALL[block],
        zero_points,
        scales: if half { ScaleType::Float16 } else { ScaleType::Float32 },
    })
}

/// Blocks of many sizes: any weights, a few multiples of one number (where fits tie), or weights of which most are zero.
fn blocks() -> impl Strategy<Value = Vec<f32>> {
    let spread = vec(-1.0f32..1.0, 1..=128);
    let multiples = vec((-9i8..9).prop_map(f32::from), 1..=128);
    let sparse = vec(prop_oneof![3 => Just(0.0f32), 1 => -1.0f32..1.0], 1..=128);
    (prop_oneof![spread, multiples, sparse], -30i32..15)
        .prop_map(|(block, exponent)| block.into_iter().map(|weight| weight * 2f32.powi(exponent)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_search_finds_what_its_definition_finds(
        format in formats(), weights in blocks(), seed in vec(0.0f32..4.0, 128), uniform in any::<bool>(),
    ) {
        let importance = if uniform { vec![1.0; weights.len()] } else { seed[..weights.len()].to_vec() };
        let (expected, found) = (defined(format, &weights, &importance), least_error(format, &weights, &importance));
        prop_assert_eq!(found.scale.to_bits(), expected.scale.to_bits(), "{} and {}", found.scale, expected.scale);
        prop_assert_eq!(found.zero_point, expected.zero_point);
    }

    #[test]
    fn wide_registers_change_no_bit(format in formats(), weights in blocks(), seed in vec(0.0f32..4.0, 128)) {
        let block = Block::new(format, &weights, &seed[..weights.len()]);
        let candidates: Vec<BlockFit> =
            [1.1, 1.0, 0.9, 0.7].into_iter().flat_map(|share| candidates(format, &weights, share)).collect();
        let (found, expected) = (Trials::of(&block, &candidates), Trials::computed(&block, &candidates));
        prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }

    #[test]
    fn scales_are_rounded_as_float16_rounds(sign in 0u32..2, exponent in -24i32..16, fraction in 0u32..1 << 23) {
        // Any bits at all would nearly always be beyond float16.
        let value = f32::from_bits(sign << 31 | ((exponent + 127) as u32) << 23 | fraction);
        let half = half::f16::from_f32(value).to_f32();
        prop_assume!(half.is_finite() && half != 0.0);
        prop_assert_eq!(ScaleType::Float16.nearest(f64::from(value)).to_bits(), half.to_bits(), "{}", value);
    }
}

#[test]
fn squares_beyond_float32_still_lead_to_a_fit_that_is_no_worse_than_covering() {
    for magnitude in [1e-36f32, 1e-25, 1e25, 1e34] {
        let weights: Vec<f32> = (0..32).map(|index| magnitude * ((index * 37 % 64) as f32 / 32.0 - 1.0)).collect();
        let format = BlockFormat { scales: ScaleType::Float32, ..BlockFormat::native(Bits::Four) };
        let error = |fit: BlockFit| fit.error(format, &weights, &[1.0; 32]);
        let found = least_error(format, &weights, &[1.0; 32]);
        assert!(found.scale.is_finite() && error(found) <= error(covering(format, &weights)), "{magnitude}");
    }
}
