//! Rows of a packed table, and the phases of the rotary embedding: what a forward pass begins with.

use half::f16;
use pupil_models::packed::{BLOCK_COLUMNS, GROUP_BYTES, PANEL_ROWS, PackedShape, Precision};

/// Writes row `row` of a packed table.
///
/// # Panics
/// There is no such row, or `table` or `output` are not as long as the shape says.
pub(crate) fn embed(shape: &PackedShape, table: &[u8], row: usize, output: &mut [f32]) {
    assert!(row < shape.rows && output.len() == shape.columns, "a row of the table");
    let (panel, lane) = (row / PANEL_ROWS, row % PANEL_ROWS);
    let values = &table[shape.value_range(panel)];
    let half = |bytes: &[u8]| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
    if shape.precision == Precision::Sixteen {
        for (value, column) in output.iter_mut().zip(values.chunks_exact(2 * PANEL_ROWS)) {
            *value = half(&column[2 * lane..]);
        }
        return;
    }
    let scales = table[shape.scale_range(panel)].chunks_exact(2 * PANEL_ROWS);
    for ((block, scales), output) in
        values.chunks_exact(shape.block_bytes()).zip(scales).zip(output.chunks_mut(BLOCK_COLUMNS))
    {
        let scale = half(&scales[2 * lane..]);
        let mut integers = [0; BLOCK_COLUMNS];
        let group_columns = BLOCK_COLUMNS * GROUP_BYTES / shape.block_bytes();
        for (group, integers) in block.chunks_exact(GROUP_BYTES).zip(integers.chunks_exact_mut(group_columns)) {
            let bytes = &group[4 * lane..4 * lane + 4];
            for (index, integer) in integers.iter_mut().enumerate() {
                *integer = match shape.precision {
                    Precision::Four if index < 4 => i32::from(bytes[index] & 15) - 8,
                    Precision::Four => i32::from(bytes[index - 4] >> 4) - 8,
                    _ => i32::from(bytes[index] as i8),
                };
            }
        }
        output.iter_mut().zip(integers).for_each(|(value, integer)| *value = integer as f32 * scale);
    }
}

/// Writes the phases of `position`: cosines, then sines of `position · frequency`.
///
/// # Panics
/// `phases` is not twice as long as `frequencies`.
pub(crate) fn write_phases(position: usize, frequencies: &[f64], phases: &mut [f32]) {
    assert_eq!(phases.len(), 2 * frequencies.len(), "a cosine and a sine for every frequency");
    let (cosines, sines) = phases.split_at_mut(frequencies.len());
    for ((cosine, sine), frequency) in cosines.iter_mut().zip(sines).zip(frequencies) {
        let angle = position as f64 * frequency;
        (*cosine, *sine) = (angle.cos() as f32, angle.sin() as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedded_row_is_the_row_of_the_unpacked_table() {
        for precision in Precision::ALL {
            let shape = PackedShape::new(21, 40, precision);
            // Any bytes are a table, except that float16 must be finite: their high bytes stay small.
            let table: Vec<u8> = (0..shape.bytes()).map(|index| (index * 37 % 60) as u8).collect();
            let unpacked = shape.unpack(&table);
            for row in 0..shape.rows {
                let mut output = vec![0.0; shape.columns];
                embed(&shape, &table, row, &mut output);
                assert_eq!(output, unpacked[row * shape.columns..][..shape.columns], "row {row} of {precision:?}");
            }
        }
    }
}
