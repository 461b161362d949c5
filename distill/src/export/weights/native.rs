//! Packed matrices: rows of the checkpoint are fused, rounded and packed panel by panel, several panels at once.

use std::ops::Range;

use half::f16;
use pupil_models::family::{self, NativeMatrix, NativeTensor, NativeVector};
use pupil_models::packed::{PANEL_ROWS, PackedShape, Precision};
use safetensors::tensor::Dtype;

use super::{Output, Rounding, WeightsPlan};
use crate::checkpoint::CheckpointWeights;
use crate::export::ExportError;
use crate::interrupt::Interrupt;
use crate::quantize::float16::to_float16;
use crate::quantize::{Bits, BlockFormat};
use crate::safetensors_writer::{ALIGNMENT, TensorEntry};

/// Panels that a thread packs before the file is written to.
const PANELS_OF_A_THREAD: usize = 16;

/// A packed panel: its part of the plane of values, and of that of scales.
#[derive(Default)]
struct Panel {
    values: Vec<u8>,
    scales: Vec<u8>,
}

/// Writes the tensors of a native bundle.
///
/// They stand in the order of the forward pass, but those whose size is no multiple of [`ALIGNMENT`] come last, so that
/// every other one begins at such a multiple.
///
/// # Errors
/// A weight cannot be stored, the file cannot be written, or somebody asked to stop.
pub fn write_native(plan: &WeightsPlan<'_>, rounding: &impl Rounding) -> Result<(), ExportError> {
    let tensors = family::native_tensors(plan.config).into_iter().map(|tensor| (entry(&tensor, rounding), tensor));
    let (mut aligned, rest): (Vec<_>, Vec<_>) = tensors.partition(|(entry, _)| entry.bytes().is_multiple_of(ALIGNMENT));
    aligned.extend(rest);
    let (entries, tensors): (Vec<TensorEntry>, Vec<NativeTensor>) = aligned.into_iter().unzip();
    let mut output = Output::create(plan, &entries)?;
    for tensor in &tensors {
        match tensor {
            NativeTensor::Matrix(matrix) => write_matrix(plan, matrix, rounding, &mut output)?,
            NativeTensor::Vector(vector) => write_vector(plan, vector, &mut output)?,
        }
    }
    output.finish()
}

fn entry(tensor: &NativeTensor, rounding: &impl Rounding) -> TensorEntry {
    let name = tensor.name().to_owned();
    match tensor {
        NativeTensor::Matrix(matrix) => {
            let bytes = matrix.packed(rounding.precision(matrix)).bytes();
            TensorEntry { name, dtype: Dtype::U8, shape: vec![bytes] }
        }
        NativeTensor::Vector(vector) => TensorEntry { name, dtype: Dtype::F32, shape: vec![vector.length] },
    }
}

fn write_vector(plan: &WeightsPlan<'_>, vector: &NativeVector, output: &mut Output) -> Result<(), ExportError> {
    let mut values: Vec<f32> = Vec::with_capacity(vector.length);
    let table = family::weights(plan.config);
    for source in &vector.sources {
        let length = table.iter().find(|weight| weight.name == *source).map_or(0, |weight| weight.shape[0]);
        plan.weights.read(source, 0..length, &mut values)?;
    }
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    output.write(&bytes)
}

fn write_matrix(
    plan: &WeightsPlan<'_>,
    matrix: &NativeMatrix,
    rounding: &impl Rounding,
    output: &mut Output,
) -> Result<(), ExportError> {
    let (shape, interrupt) = (matrix.packed(rounding.precision(matrix)), plan.interrupt);
    let packing = Packing { matrix, shape, weights: plan.weights, rounding, interrupt };
    let mut scales = Vec::with_capacity(packing.shape.panels() * packing.shape.panel_scale_bytes());
    let batch = plan.threads.get() * PANELS_OF_A_THREAD;
    for start in (0..packing.shape.panels()).step_by(batch) {
        let end = packing.shape.panels().min(start + batch);
        for panel in packing.panels(start..end, plan.threads.get())? {
            output.write(&panel.values)?;
            scales.extend(panel.scales);
        }
    }
    // The plane of scales lies behind that of values.
    output.write(&scales)
}

/// One matrix on its way into the file.
struct Packing<'a, R> {
    matrix: &'a NativeMatrix,
    shape: PackedShape,
    weights: &'a CheckpointWeights,
    rounding: &'a R,
    interrupt: &'a Interrupt,
}

impl<R: Rounding> Packing<'_, R> {
    /// Packs some panels, on several threads.
    fn panels(&self, range: Range<usize>, threads: usize) -> Result<Vec<Panel>, ExportError> {
        let mut panels: Vec<Result<Panel, ExportError>> = range.clone().map(|_| Ok(Panel::default())).collect();
        let share = panels.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            for (index, slots) in panels.chunks_mut(share).enumerate() {
                let first = range.start + index * share;
                scope.spawn(move || {
                    for (offset, slot) in slots.iter_mut().enumerate() {
                        *slot = self.panel_unless_interrupted(first + offset);
                    }
                });
            }
        });
        panels.into_iter().collect()
    }

    /// Asked before each panel: several of a wide matrix take a while.
    fn panel_unless_interrupted(&self, panel: usize) -> Result<Panel, ExportError> {
        if self.interrupt.is_requested() { Err(ExportError::Interrupted) } else { self.panel(panel) }
    }

    fn panel(&self, panel: usize) -> Result<Panel, ExportError> {
        let bits = match self.shape.precision {
            Precision::Four => Bits::Four,
            Precision::Eight => Bits::Eight,
            Precision::Sixteen => return self.float_panel(panel),
        };
        let format = BlockFormat::native(bits);
        let (width, blocks) = (self.shape.padded_columns(), self.shape.blocks());
        let mut integers = Vec::with_capacity(PANEL_ROWS * width);
        let mut scales: Vec<f16> = Vec::with_capacity(PANEL_ROWS * blocks);
        for (source, rows) in self.pieces(panel) {
            let values = self.values(source, rows)?;
            let rounded = self.rounding.round(source, self.matrix.columns, format, &values)?;
            integers.extend_from_slice(rounded.integers());
            scales.extend(rounded.scales().iter().map(|&scale| f16::from_f32(scale)));
        }
        integers.resize(PANEL_ROWS * width, 0);
        scales.resize(PANEL_ROWS * blocks, f16::ZERO);
        let mut packed = Panel::default();
        self.shape.pack_integers(&integers, &mut packed.values);
        self.shape.pack_scales(&scales, &mut packed.scales);
        Ok(packed)
    }

    fn float_panel(&self, panel: usize) -> Result<Panel, ExportError> {
        let (columns, width) = (self.matrix.columns, self.shape.padded_columns());
        let mut padded = Vec::with_capacity(PANEL_ROWS * width);
        for (source, rows) in self.pieces(panel) {
            let values = self.values(source, rows)?;
            to_float16(source, columns, &values)?;
            for row in values.chunks_exact(columns) {
                padded.extend_from_slice(row);
                padded.resize(padded.len().next_multiple_of(width), 0.0);
            }
        }
        padded.resize(PANEL_ROWS * width, 0.0);
        let mut packed = Panel::default();
        self.shape.pack_floats(&padded, &mut packed.values);
        Ok(packed)
    }

    /// The rows of the checkpoint's weights that a panel holds, in its order; rows beyond are padding.
    fn pieces(&self, panel: usize) -> Vec<(&str, Range<usize>)> {
        let sources = &self.matrix.sources;
        if self.matrix.gated {
            let (name, rows) = &sources[panel % sources.len()];
            let start = panel / sources.len() * PANEL_ROWS;
            return vec![(name, start..(*rows).min(start + PANEL_ROWS))];
        }
        let (mut pieces, mut first) = (Vec::new(), 0);
        let (start, end) = (panel * PANEL_ROWS, (panel + 1) * PANEL_ROWS);
        for (name, rows) in sources {
            let piece = start.clamp(first, first + rows) - first..end.clamp(first, first + rows) - first;
            if !piece.is_empty() {
                pieces.push((name.as_str(), piece));
            }
            first += rows;
        }
        pieces
    }

    /// Values of some rows of a source, `[rows, columns]`.
    fn values(&self, source: &str, rows: Range<usize>) -> Result<Vec<f32>, ExportError> {
        let columns = self.matrix.columns;
        let mut values = Vec::with_capacity(rows.len() * columns);
        self.weights.read(source, rows.start * columns..rows.end * columns, &mut values)?;
        Ok(values)
    }
}
