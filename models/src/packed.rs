//! Packed matrices: how the matrix of a linear layer lies in the weights file of a native bundle, ready for the kernels.
//!
//! Rows are stored in *panels* of 16, columns in *blocks* of 32; both are padded with zeros. A panel's rows are interleaved
//! so that one load of 64 bytes feeds a dot product of all of them: nothing is rearranged or copied at load. `models/README.md`
//! specifies the bytes; [`PackedShape::unpack`] is the plain reader that everything else is tested against.

use std::ops::Range;

use half::f16;

/// Rows of a panel.
pub const PANEL_ROWS: usize = 16;
/// Columns of a block: they share a scale.
pub const BLOCK_COLUMNS: usize = 32;
/// Bytes of one load: a few consecutive columns of all rows of a panel.
pub const GROUP_BYTES: usize = 64;

/// How a value of a packed matrix is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// 4-bit integers from −8 to 7, a float16 scale for each row and block.
    Four,
    /// 8-bit integers from −127 to 127, a float16 scale for each row and block.
    Eight,
    /// float16, without scales.
    Sixteen,
}

impl Precision {
    /// All of them, the smallest first.
    pub const ALL: [Self; 3] = [Self::Four, Self::Eight, Self::Sixteen];

    /// Bits of a value, scales not counted.
    #[must_use]
    pub const fn bits(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
            Self::Sixteen => 16,
        }
    }

    /// The precision with so many bits, if there is one.
    #[must_use]
    pub fn from_bits(bits: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|precision| precision.bits() as i64 == bits)
    }

    /// Whether values are integers with a scale.
    #[must_use]
    pub const fn is_quantised(self) -> bool {
        !matches!(self, Self::Sixteen)
    }

    /// The largest magnitude of an integer, on both sides of zero.
    ///
    /// Of 4 bits it is 7: −8 can be stored, but has no positive counterpart.
    #[must_use]
    pub const fn largest(self) -> i8 {
        match self {
            Self::Four => 7,
            Self::Eight | Self::Sixteen => 127,
        }
    }
}

/// Size and precision of a packed matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackedShape {
    /// Rows: outputs of the linear layer.
    pub rows: usize,
    /// Columns: its inputs.
    pub columns: usize,
    /// How values are stored.
    pub precision: Precision,
}

impl PackedShape {
    /// A matrix of `rows` by `columns`.
    #[must_use]
    pub const fn new(rows: usize, columns: usize, precision: Precision) -> Self {
        Self { rows, columns, precision }
    }

    /// The gate and up matrices of a feed-forward block, `[intermediate, columns]` each, as one: a panel of gate rows, then the
    /// panel of the same up rows, and so on, each matrix padded to whole panels.
    #[must_use]
    pub const fn gated(intermediate: usize, columns: usize, precision: Precision) -> Self {
        Self::new(2 * intermediate.next_multiple_of(PANEL_ROWS), columns, precision)
    }

    /// Number of panels.
    #[must_use]
    pub const fn panels(&self) -> usize {
        self.rows.div_ceil(PANEL_ROWS)
    }

    /// Number of blocks in a row.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.columns.div_ceil(BLOCK_COLUMNS)
    }

    /// Columns, the padding counted.
    #[must_use]
    pub const fn padded_columns(&self) -> usize {
        self.blocks() * BLOCK_COLUMNS
    }

    /// Bytes of one block of one panel in the plane of values.
    #[must_use]
    pub const fn block_bytes(&self) -> usize {
        PANEL_ROWS * BLOCK_COLUMNS * self.precision.bits() / 8
    }

    /// Bytes of one panel in the plane of values.
    #[must_use]
    pub const fn panel_bytes(&self) -> usize {
        self.blocks() * self.block_bytes()
    }

    /// Bytes of one panel in the plane of scales.
    #[must_use]
    pub const fn panel_scale_bytes(&self) -> usize {
        if self.precision.is_quantised() { self.blocks() * PANEL_ROWS * 2 } else { 0 }
    }

    /// Bytes of the matrix.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.panels() * (self.panel_bytes() + self.panel_scale_bytes())
    }

    /// Where a panel's values lie.
    #[must_use]
    pub const fn value_range(&self, panel: usize) -> Range<usize> {
        panel * self.panel_bytes()..(panel + 1) * self.panel_bytes()
    }

    /// Where a panel's scales lie: behind the values of all panels.
    #[must_use]
    pub const fn scale_range(&self, panel: usize) -> Range<usize> {
        let start = self.panels() * self.panel_bytes() + panel * self.panel_scale_bytes();
        start..start + self.panel_scale_bytes()
    }

    /// Appends a panel's values: integers `[16, padded_columns]`, row by row.
    ///
    /// # Panics
    /// The precision is not that of integers, or `integers` has another length.
    pub fn pack_integers(&self, integers: &[i8], out: &mut Vec<u8>) {
        let width = self.padded_columns();
        assert!(self.precision.is_quantised(), "integers of a quantised matrix");
        assert_eq!(integers.len(), PANEL_ROWS * width, "integers of one panel");
        let four = self.precision == Precision::Four;
        let group_columns = if four { 8 } else { 4 };
        for column in (0..width).step_by(group_columns) {
            for row in integers.chunks_exact(width) {
                if four {
                    let nibble = |column: usize| (row[column] + 8) as u8 & 15;
                    out.extend((column..column + 4).map(|column| nibble(column) | nibble(column + 4) << 4));
                } else {
                    out.extend(row[column..column + 4].iter().map(|&integer| integer as u8));
                }
            }
        }
    }

    /// Appends a panel's values: float16 out of `values`, `[16, padded_columns]`, row by row.
    ///
    /// # Panics
    /// The precision is not float16, or `values` has another length.
    pub fn pack_floats(&self, values: &[f32], out: &mut Vec<u8>) {
        let width = self.padded_columns();
        assert!(!self.precision.is_quantised(), "values of a float16 matrix");
        assert_eq!(values.len(), PANEL_ROWS * width, "values of one panel");
        for column in 0..width {
            out.extend(values.chunks_exact(width).flat_map(|row| f16::from_f32(row[column]).to_le_bytes()));
        }
    }

    /// Appends a panel's scales, `[16, blocks]`, row by row.
    ///
    /// # Panics
    /// `scales` has another length.
    pub fn pack_scales(&self, scales: &[f16], out: &mut Vec<u8>) {
        assert_eq!(scales.len(), PANEL_ROWS * self.blocks(), "scales of one panel");
        for block in 0..self.blocks() {
            out.extend(scales.chunks_exact(self.blocks()).flat_map(|row| row[block].to_le_bytes()));
        }
    }

    /// The value in a row and column.
    ///
    /// # Panics
    /// `bytes` is not [`Self::bytes`] long, or there is no such row or column.
    #[must_use]
    pub fn value(&self, bytes: &[u8], row: usize, column: usize) -> f32 {
        let (panel, lane) = (row / PANEL_ROWS, row % PANEL_ROWS);
        let values = &bytes[self.value_range(panel)];
        let half_at =
            |bytes: &[u8], index: usize| f16::from_le_bytes([bytes[2 * index], bytes[2 * index + 1]]).to_f32();
        let integer = match self.precision {
            Precision::Sixteen => return half_at(values, column * PANEL_ROWS + lane),
            Precision::Eight => i32::from(values[column / 4 * GROUP_BYTES + 4 * lane + column % 4] as i8),
            Precision::Four => {
                let byte = values[column / 8 * GROUP_BYTES + 4 * lane + column % 4];
                i32::from(if column % 8 < 4 { byte & 15 } else { byte >> 4 }) - 8
            }
        };
        integer as f32 * half_at(&bytes[self.scale_range(panel)], column / BLOCK_COLUMNS * PANEL_ROWS + lane)
    }

    /// The matrix in float32, `[rows, columns]`, row by row.
    ///
    /// # Panics
    /// `bytes` is not [`Self::bytes`] long.
    #[must_use]
    pub fn unpack(&self, bytes: &[u8]) -> Vec<f32> {
        assert_eq!(bytes.len(), self.bytes(), "bytes of a packed matrix");
        let places = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
        places.map(|(row, column)| self.value(bytes, row, column)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Packs a whole matrix whose integers and scales follow from row and column.
    fn packed(shape: PackedShape, value: impl Fn(usize, usize) -> i8, scale: impl Fn(usize, usize) -> f16) -> Vec<u8> {
        let (mut values, mut scales) = (Vec::new(), Vec::new());
        let (width, blocks) = (shape.padded_columns(), shape.blocks());
        for panel in 0..shape.panels() {
            let row = |index: usize| panel * PANEL_ROWS + index;
            let integers: Vec<i8> = (0..PANEL_ROWS * width).map(|at| value(row(at / width), at % width)).collect();
            if shape.precision.is_quantised() {
                let factors: Vec<f16> =
                    (0..PANEL_ROWS * blocks).map(|at| scale(row(at / blocks), at % blocks)).collect();
                shape.pack_integers(&integers, &mut values);
                shape.pack_scales(&factors, &mut scales);
            } else {
                let floats: Vec<f32> = integers.iter().map(|&integer| f32::from(integer)).collect();
                shape.pack_floats(&floats, &mut values);
            }
        }
        values.extend(scales);
        values
    }

    proptest! {
        #[test]
        fn unpacking_undoes_packing(rows in 1usize..40, columns in 1usize..80, which in 0usize..3, seed in 0usize..1000) {
            let shape = PackedShape::new(rows, columns, Precision::ALL[which]);
            let largest = usize::from(shape.precision.largest().unsigned_abs());
            let integer = |row: usize, column: usize| ((row * 31 + column * 7 + seed) % (2 * largest + 1)) as i8 - largest as i8;
            let integer = |row: usize, column: usize| if row < rows && column < columns { integer(row, column) } else { 0 };
            let scale = |row: usize, block: usize| f16::from_f32(((row + 3 * block + seed) % 17) as f32 / 8.0);
            let bytes = packed(shape, integer, scale);
            prop_assert_eq!(bytes.len(), shape.bytes());
            for (index, value) in shape.unpack(&bytes).into_iter().enumerate() {
                let (row, column) = (index / columns, index % columns);
                let factor = if shape.precision.is_quantised() { scale(row, column / 32).to_f32() } else { 1.0 };
                prop_assert_eq!(value.to_bits(), (f32::from(integer(row, column)) * factor).to_bits());
            }
        }
    }

    #[test]
    fn sizes_are_those_of_the_specification() {
        assert_eq!(PackedShape::new(16, 32, Precision::Four).bytes(), 16 * 32 / 2 + 16 * 2);
        assert_eq!(PackedShape::new(17, 33, Precision::Eight).bytes(), 32 * 64 + 32 * 2 * 2);
        assert_eq!(PackedShape::new(16, 32, Precision::Sixteen).bytes(), 16 * 32 * 2);
        assert_eq!(PackedShape::gated(20, 32, Precision::Four).panels(), 4);
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let shape = PackedShape::new(16, 32, Precision::Four);
        let bytes = packed(shape, |row, column| if row == 2 { column as i8 % 16 - 8 } else { 0 }, |_, _| f16::ONE);
        // Row 2, columns 0 and 4 share the first of its four bytes in the first group.
        assert_eq!(bytes[4 * 2], 4 << 4);
        assert_eq!(bytes[4 * 2 + 3], 3 | 7 << 4);
        assert_eq!(bytes[GROUP_BYTES + 4 * 2], 8 | 12 << 4);
    }
}
