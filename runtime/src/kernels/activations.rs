//! The input of a linear layer as its kernels read it: normalised, and quantised in blocks.

use pupil_models::packed::{BLOCK_COLUMNS, Precision};

use super::lanes::{LANES, Lanes};

/// Smallest magnitude that values are quantised for: below it 127 / magnitude would overflow, and they count as zero.
pub(super) const LEAST_MAGNITUDE: f32 = 1e-30;

/// Rows of activations, padded to whole blocks of 32 columns; for integer matrices quantised to 8 bits.
///
/// The buffers are kept from call to call, so that a decode step allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    rows: usize,
    blocks: usize,
    /// The normalised input, `[rows, padded_columns]`.
    floats: Vec<f32>,
    /// `[rows, padded_columns]`
    integers: Vec<i8>,
    /// What an integer of a block stands for, `[rows, blocks]`.
    scales: Vec<f32>,
    /// What a block's products with unsigned weights count too much, `[rows, blocks]`.
    offsets: Vec<i32>,
}

impl Activations {
    /// Makes room for `rows` rows of `columns`; `precision` is that of the matrix. What is in them then is not defined.
    pub(crate) fn resize(&mut self, rows: usize, columns: usize, precision: Precision) {
        self.rows = rows;
        self.blocks = columns.div_ceil(BLOCK_COLUMNS);
        let padded = self.blocks * BLOCK_COLUMNS;
        self.floats.resize(rows * padded, 0.0);
        if precision.is_quantised() {
            self.integers.resize(rows * padded, 0);
            self.scales.resize(rows * self.blocks, 0.0);
            self.offsets.resize(rows * self.blocks, 0);
        }
    }

    #[inline(always)]
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    #[inline(always)]
    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    #[inline(always)]
    fn padded(&self) -> usize {
        self.blocks * BLOCK_COLUMNS
    }

    #[inline(always)]
    pub(crate) fn floats(&self, row: usize) -> &[f32] {
        &self.floats[row * self.padded()..][..self.padded()]
    }

    #[inline(always)]
    pub(crate) fn integers(&self, row: usize) -> &[i8] {
        &self.integers[row * self.padded()..][..self.padded()]
    }

    #[inline(always)]
    pub(crate) fn scales(&self, row: usize) -> &[f32] {
        &self.scales[row * self.blocks..][..self.blocks]
    }

    #[inline(always)]
    pub(crate) fn offsets(&self, row: usize) -> &[i32] {
        &self.offsets[row * self.blocks..][..self.blocks]
    }

    /// One row of every buffer for each row; the last three are empty where the matrix is not quantised.
    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = RowMut<'_>> {
        let (padded, blocks) = (self.padded(), self.blocks);
        let (mut integers, mut scales) = (self.integers.chunks_exact_mut(padded), self.scales.chunks_exact_mut(blocks));
        let mut offsets = self.offsets.chunks_exact_mut(blocks);
        self.floats.chunks_exact_mut(padded).take(self.rows).map(move |floats| RowMut {
            floats,
            integers: integers.next().unwrap_or_default(),
            scales: scales.next().unwrap_or_default(),
            offsets: offsets.next().unwrap_or_default(),
        })
    }
}

/// One row of [`Activations`], to be written.
#[derive(Debug)]
pub(crate) struct RowMut<'a> {
    floats: &'a mut [f32],
    integers: &'a mut [i8],
    scales: &'a mut [f32],
    offsets: &'a mut [i32],
}

/// RMS normalisation: its weight `[columns]` and what is added to the mean square.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Norm<'a> {
    pub(crate) weight: &'a [f32],
    pub(crate) epsilon: f32,
}

/// Writes a row: `input`, normalised by `norm`, padded with zeros, and for `precision` quantised.
///
/// A value that is not finite makes its block's scale, and with it every product, NaN.
///
/// # Safety
/// The instructions of `L` are available.
///
/// # Panics
/// The row, the norm's weight and `input` differ in width.
#[inline(always)]
pub(crate) unsafe fn write_row<L: Lanes>(
    input: &[f32],
    norm: Option<Norm<'_>>,
    precision: Precision,
    row: &mut RowMut<'_>,
) {
    let (columns, padding) = row.floats.split_at_mut(input.len());
    padding.fill(0.0);
    match norm {
        // SAFETY: passed on from the caller.
        Some(norm) => unsafe { normalise::<L>(input, norm, columns) },
        None => columns.copy_from_slice(input),
    }
    let offset = match precision {
        Precision::Four => L::NIBBLE_OFFSET,
        Precision::Eight => L::BYTE_OFFSET,
        Precision::Sixteen => 0,
    };
    if precision.is_quantised() {
        for (block, values) in row.floats.as_chunks::<BLOCK_COLUMNS>().0.iter().enumerate() {
            let integers = &mut row.integers[block * BLOCK_COLUMNS..][..BLOCK_COLUMNS];
            // SAFETY: passed on from the caller; both sides are a block long.
            let (scale, sum) = unsafe { quantise::<L>(values, integers) };
            row.scales[block] = scale;
            row.offsets[block] = offset * sum;
        }
    }
}

/// `input / sqrt(mean(input²) + epsilon) · weight` (Zhang and Sennrich 2019).
#[inline(always)]
unsafe fn normalise<L: Lanes>(input: &[f32], norm: Norm<'_>, output: &mut [f32]) {
    assert!(norm.weight.len() == input.len() && output.len() == input.len(), "rows and weight of one width");
    let whole = input.len() / LANES * LANES;
    // SAFETY: sixteen floats from every multiple of sixteen below `whole` lie inside all three slices; the instructions are
    // the caller's promise.
    unsafe {
        let mut squares = L::splat(0.0);
        for column in (0..whole).step_by(LANES) {
            let value = L::load_floats(input.as_ptr().add(column));
            squares = L::multiply_add(value, value, squares);
        }
        let rest: f32 = input[whole..].iter().map(|value| value * value).sum();
        let mean = (L::total(squares) + rest) / input.len() as f32;
        let factor = 1.0 / (mean + norm.epsilon).sqrt();
        for column in (0..whole).step_by(LANES) {
            let value = L::multiply(L::load_floats(input.as_ptr().add(column)), L::splat(factor));
            let weighted = L::multiply(value, L::load_floats(norm.weight.as_ptr().add(column)));
            L::store_floats(weighted, output.as_mut_ptr().add(column));
        }
        for column in whole..input.len() {
            output[column] = input[column] * factor * norm.weight[column];
        }
    }
}

/// Quantises a block symmetrically to −127..=127; the scale, and the sum of the integers.
#[inline(always)]
unsafe fn quantise<L: Lanes>(values: &[f32; BLOCK_COLUMNS], integers: &mut [i8]) -> (f32, i32) {
    // SAFETY: a block is two times sixteen values; the instructions are the caller's promise.
    unsafe {
        let (first, second) = (L::load_floats(values.as_ptr()), L::load_floats(values.as_ptr().add(LANES)));
        let largest = L::largest(L::maximum(L::magnitude(first), L::magnitude(second)));
        if !(largest >= LEAST_MAGNITUDE && largest.is_finite()) {
            integers.fill(0);
            return (if largest.is_finite() { 0.0 } else { f32::NAN }, 0);
        }
        let inverse = L::splat(127.0 / largest);
        let (first, second) = (L::round(L::multiply(first, inverse)), L::round(L::multiply(second, inverse)));
        L::store_bytes(first, integers.as_mut_ptr());
        L::store_bytes(second, integers.as_mut_ptr().add(LANES));
        // Whole numbers of this size are exact in float32.
        (largest / 127.0, L::total(L::add(first, second)) as i32)
    }
}
