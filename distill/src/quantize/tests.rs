//! Properties of the quantisers: bounds of the error, exactness, and what is refused.

use half::f16;
use proptest::collection::vec;
use proptest::prelude::*;

use super::block::{BlockFit, covering};
use super::float16::to_float16;
use super::stock::{ChannelMatrix, pack_integers, pack_zero_points};
use super::*;

fn formats() -> impl Strategy<Value = BlockFormat> {
    (0usize..2, 0usize..3, any::<bool>(), any::<bool>()).prop_map(|(bits, block, zero_points, half)| BlockFormat {
        bits: Bits::ALL[bits],
        block: BlockColumns::ALL[block],
        zero_points,
        scales: if half { ScaleType::Float16 } else { ScaleType::Float32 },
    })
}

fn every_format() -> impl Iterator<Item = BlockFormat> {
    let zero_points = |(bits, block)| [false, true].map(|zero_points| (bits, block, zero_points));
    Bits::ALL.into_iter().flat_map(|bits| BlockColumns::ALL.map(|block| (bits, block))).flat_map(zero_points).flat_map(
        |(bits, block, zero_points)| {
            [ScaleType::Float16, ScaleType::Float32].map(|scales| BlockFormat { bits, block, zero_points, scales })
        },
    )
}

fn quantized(format: BlockFormat, fitting: Fitting, columns: usize, weights: &[f32]) -> QuantizedMatrix {
    QuantizedMatrix::quantize("w", columns, format, fitting, None, weights).unwrap()
}

/// Weighted squared error of a row.
fn loss(matrix: &QuantizedMatrix, weights: &[f32], importance: &[f32]) -> f64 {
    let term = |((&found, &weight), &importance): ((&f32, &f32), &f32)| {
        f64::from(importance) * (f64::from(found) - f64::from(weight)).powi(2)
    };
    matrix.values().iter().zip(weights).zip(importance).map(term).sum()
}

proptest! {
    /// Half a step, and what rounding scale and zero point to their types moves the ends by.
    #[test]
    fn covering_fits_err_by_at_most_a_step(
        format in formats(), magnitude in -30i32..30, weights in vec(-1.0f32..1.0, 1..200),
    ) {
        let magnitude = if format.scales == ScaleType::Float16 { magnitude.clamp(-30, 15) } else { magnitude };
        let weights: Vec<f32> = weights.iter().map(|weight| weight * 2f32.powi(magnitude)).collect();
        let matrix = quantized(format, Fitting::Covering, weights.len(), &weights);
        let length = format.block.count();
        // Beside the scale's own rounding: relative in normal numbers, absolute below them.
        let (relative, absolute) = match format.scales {
            ScaleType::Float16 => (2f32.powi(-11), 2f32.powi(-25)),
            ScaleType::Float32 => (2f32.powi(-22), f32::MIN_POSITIVE),
        };
        for (column, (found, weight)) in matrix.values().iter().zip(&weights).enumerate() {
            let scale = matrix.scales()[column / length].abs();
            let steps = if format.zero_points { 1.0 } else { 0.5 };
            let ends = 256.0 * (relative * scale + absolute);
            prop_assert!((found - weight).abs() <= steps * scale + ends, "{weight} became {found}, scale {scale}");
        }
    }

    #[test]
    fn multiples_of_a_representable_scale_are_exact(
        format in formats(), fitting in prop_oneof![Just(Fitting::Covering), Just(Fitting::LeastError)],
        exponent in -10i32..5, mantissa in 1024u16..2048, integers in vec(any::<i8>(), 1..150),
    ) {
        let scale = f32::from(mantissa) * 2f32.powi(exponent - 10);
        let (low, high) = format.range();
        let length = format.block.count();
        let mut integers: Vec<i8> = integers.into_iter().map(|integer| integer.clamp(low, high)).collect();
        for block in integers.chunks_mut(length) {
            // The ends are there, so that the covering scale is this one.
            block[0] = high;
            let symmetric = block.len() > 1 && !format.zero_points;
            if symmetric { block[1] = -high }
            if !format.zero_points {
                for integer in block.iter_mut() {
                    *integer = (*integer).max(-high);
                }
            }
            if format.zero_points && block.len() > 1 { block[1] = low }
        }
        let weights: Vec<f32> = integers.iter().map(|&integer| f32::from(integer) * scale).collect();
        let lonely = weights.len() % length == 1 && format.zero_points;
        let matrix = quantized(format, fitting, weights.len(), &weights);
        for (column, (found, weight)) in matrix.values().iter().zip(&weights).enumerate() {
            if !(lonely && column + 1 == weights.len()) {
                prop_assert_eq!(found.to_bits(), weight.to_bits());
            }
        }
    }

    #[test]
    fn the_search_never_loses_to_covering(
        format in formats(), weights in vec(-1.0f32..1.0, 1..140), seed in vec(0.0f32..4.0, 140),
    ) {
        let importance = &seed[..weights.len()];
        let columns = weights.len();
        let of = |fitting| QuantizedMatrix::quantize("w", columns, format, fitting, Some(importance), &weights).unwrap();
        let (covering, searched) = (of(Fitting::Covering), of(Fitting::LeastError));
        prop_assert!(loss(&searched, &weights, importance) <= loss(&covering, &weights, importance));
    }

    #[test]
    fn packed_bytes_are_the_integers_without_a_sign(
        format in formats(), columns in 1usize..150, rows in 1usize..4, seed in vec(-1.0f32..1.0, 600),
    ) {
        let matrix = quantized(format, Fitting::Covering, columns, &seed[..rows * columns]);
        let (mut quants, mut zeros) = (Vec::new(), Vec::new());
        pack_integers(&matrix, &mut quants);
        pack_zero_points(&matrix, &mut zeros);
        let unpack = |bytes: &[u8], width: usize| -> Vec<i16> {
            let per_row = (width * format.bits.count()).div_ceil(8);
            let at = |(row, column): (usize, usize)| match format.bits {
                Bits::Four => i16::from(bytes[row * per_row + column / 2] >> (4 * (column % 2)) & 15) - 8,
                Bits::Eight => i16::from(bytes[row * per_row + column]) - 128,
            };
            (0..rows).flat_map(|row| (0..width).map(move |column| (row, column))).map(at).collect()
        };
        let widened = |integers: &[i8]| integers.iter().map(|&integer| i16::from(integer)).collect::<Vec<_>>();
        prop_assert_eq!(unpack(&quants, matrix.padded_columns()), widened(matrix.integers()));
        prop_assert_eq!(unpack(&zeros, matrix.blocks()), widened(matrix.zero_points()));
    }

    #[test]
    fn scales_are_exact_in_their_type(weights in vec(-1e4f32..1e4, 1..140), bits in 0usize..2) {
        let format = BlockFormat::native(Bits::ALL[bits]);
        let matrix = quantized(format, Fitting::LeastError, weights.len(), &weights);
        prop_assert!(matrix.scales().iter().all(|&scale| f16::from_f32(scale).to_f32().to_bits() == scale.to_bits()));
        let (low, high) = format.range();
        prop_assert!(matrix.integers().iter().all(|integer| (low..=high).contains(integer)));
    }

    #[test]
    fn channels_err_by_at_most_half_a_step(weights in vec(-1e3f32..1e3, 12)) {
        let matrix = ChannelMatrix::quantize("w", 4, &weights).unwrap();
        for (index, (found, weight)) in matrix.values().iter().zip(&weights).enumerate() {
            prop_assert!((found - weight).abs() <= 0.5001 * matrix.scales[index / 4]);
        }
    }
}

#[test]
fn zeros_stay_zero_and_denormals_vanish_at_most() {
    let denormal = f32::from_bits(1);
    for format in every_format() {
        for fitting in [Fitting::Covering, Fitting::LeastError] {
            let zeros = quantized(format, fitting, 130, &[0.0; 130]);
            assert!(zeros.values().iter().all(|value| value.to_bits() == 0), "{format:?}");
            let weights: Vec<f32> = (0..130).map(|index| if index % 2 == 0 { denormal } else { -denormal }).collect();
            let found = quantized(format, fitting, 130, &weights).values();
            assert!(found.iter().all(|value| value.abs() <= f32::MIN_POSITIVE), "{format:?}: {found:?}");
        }
    }
}

#[test]
fn a_block_between_zero_and_the_least_scale_keeps_its_size() {
    // A covering scale of a third of float16's smallest number.
    let format = BlockFormat::native(Bits::Four);
    let least = f16::MIN_POSITIVE_SUBNORMAL.to_f32();
    let matrix = quantized(format, Fitting::Covering, 1, &[least * 7.0 / 3.0]);
    assert_eq!(matrix.values(), [least * 2.0]);
}

#[test]
fn huge_weights_fit_up_to_the_largest_scale_and_are_refused_beyond() {
    for format in every_format() {
        let steps = f32::from(format.bits.largest());
        let (fits, refused) = match format.scales {
            ScaleType::Float16 => (65000.0 * steps, 65504.0 * steps * 2.5),
            ScaleType::Float32 => (6e35 * steps, f32::MAX),
        };
        for fitting in [Fitting::Covering, Fitting::LeastError] {
            let of = |weights: &[f32]| QuantizedMatrix::quantize("model.norm", 3, format, fitting, None, weights);
            let found = of(&[fits, -fits / 8.0, 1.0]).unwrap().values();
            assert!(found.iter().all(|value| value.is_finite()), "{format:?}: {found:?}");
            assert!((found[0] / fits - 1.0).abs() < 0.2, "{format:?}: {found:?}");
            let error = of(&[refused, -refused, 1.0]).unwrap_err();
            assert_eq!(error.code(), "E_QUANT_RANGE");
            assert!(
                error.to_string().starts_with("tensor `model.norm`, row 0: expected a scale of at most 6"),
                "{error}"
            );
        }
    }
}

#[test]
fn what_is_no_number_is_refused_by_name() {
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let weights = [0.5, 0.5, 0.5, wrong];
        let format = BlockFormat::native(Bits::Four);
        let error =
            QuantizedMatrix::quantize("lm_head.weight", 2, format, Fitting::LeastError, None, &weights).unwrap_err();
        let expected = format!("tensor `lm_head.weight`: expected finite weights, found {wrong} in row 1, column 1");
        assert_eq!(error.to_string(), expected);
        assert_eq!(ChannelMatrix::quantize("lm_head.weight", 2, &weights).unwrap_err().to_string(), expected);
        assert_eq!(to_float16("lm_head.weight", 2, &weights).unwrap_err().to_string(), expected);
    }
}

#[test]
fn statistics_of_another_layer_are_refused() {
    let format = BlockFormat::native(Bits::Four);
    let result = QuantizedMatrix::quantize("w", 3, format, Fitting::LeastError, Some(&[1.0; 4]), &[1.0; 3]);
    assert_eq!(result.unwrap_err().to_string(), "tensor `w`: expected statistics of 3 input channels, found 4");
}

#[test]
fn float16_rounds_and_refuses_what_would_be_infinite() {
    let halves = to_float16("w", 2, &[1.0, 65504.0, 1e-8, -0.1]).unwrap();
    assert_eq!(halves.iter().map(|half| half.to_f32()).collect::<Vec<_>>(), [1.0, 65504.0, 0.0, -0.099_975_586]);
    let error = to_float16("w", 2, &[1.0, 2.0, 3.0, 70000.0]).unwrap_err();
    assert_eq!(error.to_string(), "tensor `w`, row 1: expected weights of at most 65504, found 7e4");
}

/// The mean loss over many Gaussian-like blocks, in squared steps: what the search is for.
#[test]
fn the_search_gains_on_weights_that_are_distributed_like_weights() {
    let uniform = |index: usize| crate::keyed::mix(&[7, index as u64]) as f32 / u64::MAX as f32 - 0.5;
    let gaussian: Vec<f32> =
        (0..128 * 128).map(|index| (0..12).map(|part| uniform(12 * index + part)).sum::<f32>()).collect();
    let ones = vec![1.0; gaussian.len()];
    for format in every_format() {
        let of = |fitting| loss(&quantized(format, fitting, 128, &gaussian), &gaussian, &ones);
        let gained = 1.0 - of(Fitting::LeastError) / of(Fitting::Covering);
        let least = if format.bits == Bits::Four { 0.08 } else { 0.0 };
        assert!(gained >= least, "{format:?}: {gained}");
    }
}

#[test]
fn padding_stands_for_zero() {
    let format = BlockFormat { zero_points: true, ..BlockFormat::native(Bits::Four) };
    let matrix = quantized(format, Fitting::Covering, 3, &[1.0, 2.0, 3.0]);
    assert_eq!(matrix.integers().len(), 32);
    assert!(matrix.integers()[3..].iter().all(|&integer| integer == matrix.zero_points()[0]));
}

#[test]
fn an_integer_of_a_vanished_scale_is_the_zero_point() {
    let format = BlockFormat::native(Bits::Eight);
    assert_eq!(BlockFit { scale: 0.0, zero_point: 3 }.integer(format, 1.0), 3);
    assert_eq!(covering(format, &[]), BlockFit { scale: 0.0, zero_point: 0 });
}
