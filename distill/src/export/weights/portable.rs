//! Tensors for stock operators: which there are, in which order, and rounding them a few rows at a time.

use pupil_models::config::StudentConfig;
use pupil_models::family::{Anatomy, Site, bias_name};
use safetensors::tensor::Dtype;

use super::{Output, Rounding, WeightsPlan};
use crate::export::ExportError;
use crate::export::stock::{Body, StockFormat};
use crate::interrupt::Interrupt;
use crate::quantize::stock::{ChannelMatrix, pack_integers, pack_zero_points};
use crate::quantize::{BlockFormat, QuantizeError, QuantizedMatrix};
use crate::safetensors_writer::TensorEntry;

/// Rows that a rounding is asked for at once.
const PANEL_ROWS: usize = 16;
/// Panels that a thread rounds before the file is written to.
const PANELS_OF_A_THREAD: usize = 16;

/// Name of the scales of the matrix `weight`.
pub(in crate::export) fn scales_name(weight: &str) -> String {
    sibling(weight, "scales")
}

/// Name of the zero points of the matrix `weight`.
pub(in crate::export) fn zero_points_name(weight: &str) -> String {
    sibling(weight, "zero_points")
}

fn sibling(weight: &str, part: &str) -> String {
    format!("{}.{part}", weight.strip_suffix(".weight").unwrap_or(weight))
}

/// Shape in which `MatMulNBits` reads integers: `[rows, blocks, bytes of a block]`.
pub(in crate::export) fn block_shape(rows: usize, columns: usize, format: BlockFormat) -> Vec<usize> {
    vec![rows, format.blocks(columns), format.block.count() * format.bits.count() / 8]
}

/// The tensors of a portable bundle, in the order of the file.
pub(in crate::export) struct StockTensors {
    pub(in crate::export) entries: Vec<TensorEntry>,
    parts: Vec<Part>,
}

/// Tensors that are made of the same weights.
struct Part {
    /// Name of the whole.
    name: String,
    /// The checkpoint's weights, each with its number of rows, one below the other.
    sources: Vec<(String, usize)>,
    columns: usize,
    kind: Kind,
}

enum Kind {
    /// Integers in blocks, their scales and zero points.
    Blocks(BlockFormat),
    /// Integers of channels, transposed, and their scales.
    Channels,
    /// Float32.
    Floats,
}

impl StockTensors {
    pub(in crate::export) fn of(config: &StudentConfig, format: &StockFormat) -> Self {
        let anatomy = Anatomy::of(config);
        let mut tensors = Self { entries: Vec::new(), parts: Vec::new() };
        tensors.embedding(config, &anatomy, format.head);
        for norm in &anatomy.norms {
            tensors.floats(norm.clone(), vec![(norm.clone(), config.hidden_size)]);
        }
        for site in &anatomy.sites {
            let is_head = anatomy.head() == Some(site);
            match format.body {
                _ if is_head && anatomy.is_tied() => {}
                _ if is_head => tensors.blocks(site, format.head),
                Body::Blocks(blocks) => tensors.blocks(site, blocks),
                Body::Channels => tensors.channels(site),
            }
            let parts = site.linear.projections.iter().zip(&site.rows);
            let biases: Vec<_> = parts.filter_map(|(part, &rows)| Some((part.bias.clone()?, rows))).collect();
            if !biases.is_empty() {
                tensors.floats(bias_name(&site.linear), biases);
            }
        }
        tensors
    }

    fn embedding(&mut self, config: &StudentConfig, anatomy: &Anatomy, format: BlockFormat) {
        let (rows, columns, name) = (config.vocab_size, config.hidden_size, anatomy.embedding.clone());
        // The shape in which `GatherBlockQuantized` reads; of a tied head the bytes are the same.
        self.push(name.clone(), Dtype::U8, vec![rows, format.padded(columns) * format.bits.count() / 8]);
        self.block_scales(&name, rows, columns, format);
        self.parts.push(Part { sources: vec![(name.clone(), rows)], name, columns, kind: Kind::Blocks(format) });
    }

    fn blocks(&mut self, site: &Site, format: BlockFormat) {
        let (name, rows, columns) = (site.linear.name.clone(), site.outputs(), site.columns);
        self.push(name.clone(), Dtype::U8, block_shape(rows, columns, format));
        self.block_scales(&name, rows, columns, format);
        self.parts.push(Part { sources: sources(site), name, columns, kind: Kind::Blocks(format) });
    }

    fn block_scales(&mut self, name: &str, rows: usize, columns: usize, format: BlockFormat) {
        let blocks = format.blocks(columns);
        self.push(scales_name(name), Dtype::F32, vec![rows, blocks]);
        if format.zero_points {
            self.push(zero_points_name(name), Dtype::U8, vec![rows, (blocks * format.bits.count()).div_ceil(8)]);
        }
    }

    fn channels(&mut self, site: &Site) {
        let (name, rows, columns) = (site.linear.name.clone(), site.outputs(), site.columns);
        self.push(name.clone(), Dtype::I8, vec![columns, rows]);
        self.push(scales_name(&name), Dtype::F32, vec![rows]);
        self.parts.push(Part { sources: sources(site), name, columns, kind: Kind::Channels });
    }

    fn floats(&mut self, name: String, sources: Vec<(String, usize)>) {
        self.push(name.clone(), Dtype::F32, vec![sources.iter().map(|(_, length)| length).sum()]);
        self.parts.push(Part { name, sources, columns: 1, kind: Kind::Floats });
    }

    fn push(&mut self, name: String, dtype: Dtype, shape: Vec<usize>) {
        self.entries.push(TensorEntry { name, dtype, shape });
    }
}

fn sources(site: &Site) -> Vec<(String, usize)> {
    site.linear.projections.iter().map(|part| part.weight.clone()).zip(site.rows.iter().copied()).collect()
}

/// Writes the tensors of a portable bundle.
///
/// # Errors
/// A weight cannot be stored, the file cannot be written, or somebody asked to stop.
pub fn write_portable(
    plan: &WeightsPlan<'_>,
    format: &StockFormat,
    rounding: &impl Rounding,
) -> Result<(), ExportError> {
    let tensors = StockTensors::of(plan.config, format);
    let mut output = Output::create(plan, &tensors.entries)?;
    for part in &tensors.parts {
        match part.kind {
            Kind::Blocks(format) => write_blocks(plan, part, format, rounding, &mut output)?,
            Kind::Channels => write_channels(plan, part, &mut output)?,
            Kind::Floats => output.write(&little_endian(&part.values(plan)?))?,
        }
    }
    output.finish()
}

impl Part {
    /// The values of all sources.
    fn values(&self, plan: &WeightsPlan<'_>) -> Result<Vec<f32>, ExportError> {
        let mut values = Vec::new();
        for (source, rows) in &self.sources {
            plan.weights.read(source, 0..rows * self.columns, &mut values)?;
        }
        Ok(values)
    }
}

fn write_blocks(
    plan: &WeightsPlan<'_>,
    part: &Part,
    format: BlockFormat,
    rounding: &impl Rounding,
    output: &mut Output,
) -> Result<(), ExportError> {
    let (mut scales, mut zero_points) = (Vec::new(), Vec::new());
    for (source, rows) in &part.sources {
        let batch = plan.threads.get() * PANELS_OF_A_THREAD * PANEL_ROWS;
        for first in (0..*rows).step_by(batch) {
            let mut values = Vec::new();
            plan.weights.read(source, first * part.columns..(first + batch).min(*rows) * part.columns, &mut values)?;
            let (columns, interrupt) = (part.columns, plan.interrupt);
            let panels = Panels { source, columns, format, rounding, interrupt };
            let mut integers = Vec::new();
            for panel in panels.round(&values, plan.threads.get()) {
                let panel = panel.map_err(|error| error.in_rows_from(first))?;
                pack_integers(&panel, &mut integers);
                pack_zero_points(&panel, &mut zero_points);
                scales.extend_from_slice(panel.scales());
            }
            output.write(&integers)?;
        }
    }
    output.write(&little_endian(&scales))?;
    if format.zero_points { output.write(&zero_points) } else { Ok(()) }
}

/// Rows of one weight on their way into the file.
struct Panels<'a, R> {
    source: &'a str,
    columns: usize,
    format: BlockFormat,
    rounding: &'a R,
    interrupt: &'a Interrupt,
}

impl<R: Rounding> Panels<'_, R> {
    /// Rounds `values`, `[rows, columns]`, on several threads; the result does not depend on how many. Interrupted, it leaves the
    /// last ones out.
    fn round(&self, values: &[f32], threads: usize) -> Vec<Result<QuantizedMatrix, QuantizeError>> {
        let panels: Vec<&[f32]> = values.chunks(PANEL_ROWS * self.columns).collect();
        let share = panels.len().div_ceil(threads).max(1);
        let mut rounded: Vec<Option<Result<QuantizedMatrix, QuantizeError>>> = panels.iter().map(|_| None).collect();
        std::thread::scope(|scope| {
            for (index, (slots, panels)) in rounded.chunks_mut(share).zip(panels.chunks(share)).enumerate() {
                scope.spawn(move || {
                    for (offset, (slot, panel)) in slots.iter_mut().zip(panels).enumerate() {
                        // What is missing then is not missed: nothing more is written.
                        if self.interrupt.is_requested() {
                            return;
                        }
                        let first = (index * share + offset) * PANEL_ROWS;
                        let panel = self.rounding.round(self.source, self.columns, self.format, panel);
                        *slot = Some(panel.map_err(|error| error.in_rows_from(first)));
                    }
                });
            }
        });
        rounded.into_iter().flatten().collect()
    }
}

fn write_channels(plan: &WeightsPlan<'_>, part: &Part, output: &mut Output) -> Result<(), ExportError> {
    let matrix = ChannelMatrix::quantize(&part.name, part.columns, &part.values(plan)?)?;
    output.write(&matrix.integers.iter().map(|&integer| integer as u8).collect::<Vec<u8>>())?;
    output.write(&little_endian(&matrix.scales))
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
