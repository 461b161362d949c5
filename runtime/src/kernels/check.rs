//! Whether an instruction set computes what the plain kernels compute, on this machine.
//!
//! Features are what a machine says of itself; virtual machines and emulators have been wrong about them. A set is used only
//! after it has computed a small layer of every kind and an attention over every cache, which takes some microseconds.

use pupil_models::packed::{PackedShape, Precision};

use super::activations::{Activations, Norm};
use super::attention::{Attention, Heads};
use super::cache::CacheType;
use super::linear::Linear;
use super::table::Kernels;
use super::workers::{Alone, Shared};

/// Largest accepted difference, relative to the largest output: sums in another order, and a rounding that falls the other way.
const TOLERANCE: f32 = 1e-2;
/// Rows of activations: a whole tile and part of one.
const ROWS: usize = 5;
/// Width of every input here: two blocks.
const COLUMNS: usize = 64;

/// Whether `kernels` agree with `plain`.
pub(super) fn agree(kernels: &Kernels, plain: &Kernels) -> bool {
    let layers = Precision::ALL.into_iter().all(|precision| {
        [false, true].into_iter().all(|gated| close(&layer(kernels, precision, gated), &layer(plain, precision, gated)))
    });
    let attentions =
        CacheType::ALL.into_iter().all(|cache| close(&attention(kernels, cache), &attention(plain, cache)));
    layers && attentions
}

fn close(found: &[f32], expected: &[f32]) -> bool {
    let largest = expected.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    // Written so that a NaN is not close to anything.
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= TOLERANCE * largest)
}

/// Numbers from −1 to 1 that repeat only after 101.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|index| (index * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

fn layer(kernels: &Kernels, precision: Precision, gated: bool) -> Vec<f32> {
    let shape =
        if gated { PackedShape::gated(16, COLUMNS, precision) } else { PackedShape::new(32, COLUMNS, precision) };
    let width = if gated { 16 } else { 32 };
    // Every nibble and nearly every byte; the low byte of a float16 can be anything, the high one must not make it infinite.
    let matrix: Vec<u8> = (0..shape.bytes()).map(|index| (index * 59 % 241) as u8).collect();
    let matrix: Vec<u8> = if precision == Precision::Sixteen {
        finite_halves(&matrix)
    } else {
        let (values, scales) = matrix.split_at(shape.scale_range(0).start);
        // −128 is no value of an 8-bit matrix.
        let values = values.iter().map(|&byte| if byte == 128 { 127 } else { byte });
        values.chain(finite_halves(scales)).collect()
    };
    let (input, weight, bias) = (numbers(ROWS * COLUMNS), numbers(COLUMNS), numbers(width));
    let norm = Some(Norm { weight: &weight, epsilon: 1e-5 });
    let bias = (!gated).then_some(bias.as_slice());
    let layer = Linear { shape, matrix: &matrix, width, gated, norm, bias, residual: None };
    let mut output = vec![0.0; ROWS * width];
    layer.compute(kernels, &Alone, &mut Activations::default(), &input, &mut output);
    output
}

/// The bytes as float16 between 1/64 and 2, of either sign.
fn finite_halves(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().enumerate().map(|(index, &byte)| if index % 2 == 0 { byte } else { byte & 0x9F | 0x20 }).collect()
}

fn attention(kernels: &Kernels, cache: CacheType) -> Vec<f32> {
    let heads = Heads { query: 2, key_value: 1, head_dim: 32 };
    let sequence = 19;
    let (input, phases) = (numbers(sequence * heads.input_width()), numbers(sequence * heads.head_dim));
    let mut keys = vec![0; cache.head_bytes(heads.head_dim, sequence)];
    let mut values = keys.clone();
    let mut output = vec![0.0; sequence * heads.output_width()];
    let attention = Attention {
        heads,
        input: &input,
        phases: &phases,
        last_positions: &[sequence as i32 - 1],
        cache,
        keys: Shared::new(&mut keys),
        values: Shared::new(&mut values),
        output: Shared::new(&mut output),
    };
    match attention.compute(kernels, &Alone) {
        Ok(()) => output,
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_a_nan_and_a_missing_output_are_seen() {
        assert!(close(&[1.0, 0.001], &[1.0, 0.0]));
        assert!(!close(&[1.0, 0.1], &[1.0, 0.0]));
        assert!(!close(&[1.0, f32::NAN], &[1.0, 0.0]));
        assert!(!close(&[], &[1.0, 0.0]));
    }
}
