//! The bytes that ONNX Runtime's stock operators read: `MatMulNBits`, `GatherBlockQuantized`, `DynamicQuantizeMatMul`.

use super::QuantizeError;
use super::format::Bits;
use super::matrix::{QuantizedMatrix, check_finite};

/// Appends the integers as `MatMulNBits` (`[rows, blocks, block · bits / 8]`) and `GatherBlockQuantized` (`[rows, padded
/// columns · bits / 8]`) read them: without a sign, 4-bit pairs with the even column in the low half.
pub fn pack_integers(matrix: &QuantizedMatrix, out: &mut Vec<u8>) {
    pack(matrix.integers(), matrix.padded_columns(), matrix.format().bits, out);
}

/// Appends the zero points, `[rows, blocks · bits / 8]`, each row padded to whole bytes.
pub fn pack_zero_points(matrix: &QuantizedMatrix, out: &mut Vec<u8>) {
    pack(matrix.zero_points(), matrix.blocks(), matrix.format().bits, out);
}

fn pack(integers: &[i8], width: usize, bits: Bits, out: &mut Vec<u8>) {
    let stored = |integer: i8| (i16::from(integer) + i16::from(bits.offset())) as u8;
    for row in integers.chunks_exact(width) {
        match bits {
            Bits::Eight => out.extend(row.iter().map(|&integer| stored(integer))),
            Bits::Four => out.extend(row.chunks(2).map(|pair| {
                let high = pair.get(1).map_or(0, |&integer| stored(integer));
                stored(pair[0]) | high << 4
            })),
        }
    }
}

/// Largest magnitude of a channel's integers: seven bits. ONNX Runtime multiplies unsigned activations by them, and on a processor
/// without dot products of bytes adds two such products in 16 bits, where 2 · 255 · 63 has room and 2 · 255 · 127 has not.
const LARGEST: f32 = 63.0;

/// A matrix of 8-bit integers with one scale for each output channel, transposed: what `DynamicQuantizeMatMul` reads.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelMatrix {
    /// Integers from −63 to 63, `[columns, rows]`: inputs first.
    pub integers: Vec<i8>,
    /// Scales, `[rows]`.
    pub scales: Vec<f32>,
}

impl ChannelMatrix {
    /// Quantises `weights`, `[rows, columns]`, each output channel with the scale that covers it.
    ///
    /// # Errors
    /// A weight is NaN or infinite.
    ///
    /// # Panics
    /// If `weights` is no whole number of rows.
    pub fn quantize(tensor: &str, columns: usize, weights: &[f32]) -> Result<Self, QuantizeError> {
        assert!(columns > 0 && weights.len().is_multiple_of(columns), "whole rows");
        let rows = weights.len() / columns;
        let mut matrix = Self { integers: vec![0; weights.len()], scales: Vec::with_capacity(rows) };
        for (index, row) in weights.chunks_exact(columns).enumerate() {
            check_finite(tensor, index, row)?;
            let largest = row.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
            let scale = (largest / LARGEST).max(f32::MIN_POSITIVE);
            matrix.scales.push(scale);
            for (column, weight) in row.iter().enumerate() {
                let integer = (weight / scale).round_ties_even().clamp(-LARGEST, LARGEST);
                matrix.integers[column * rows + index] = integer as i8;
            }
        }
        Ok(matrix)
    }

    /// What the integers stand for, `[rows, columns]`.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        let rows = self.scales.len();
        let columns = self.integers.len() / rows.max(1);
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        places.map(|(row, column)| f32::from(self.integers[column * rows + row]) * self.scales[row]).collect()
    }
}
