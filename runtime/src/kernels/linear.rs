//! Linear layers: `input · matrixᵀ`, with what comes before and after it in the same pass.

use std::ops::Range;

use pupil_models::packed::{PANEL_ROWS, PackedShape};

use super::activations::{Activations, Norm};
use super::dot::{self, Panel, TILE, Tile};
use super::lanes::{self, LANES, Lanes};
use super::table::Kernels;
use super::workers::{Shared, Workers};

/// Products below which a second thread costs more than it saves.
const LEAST_SHARED_PRODUCTS: usize = 1 << 18;
/// Tasks for each thread: threads are not equally fast on a busy machine.
const TASKS_PER_WORKER: usize = 4;

/// A linear layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear<'a> {
    /// Size and precision of the matrix as it is packed.
    pub(crate) shape: PackedShape,
    /// The packed matrix.
    pub(crate) matrix: &'a [u8],
    /// Values in a row of the output: the matrix's rows, or of a gated one the rows of either half.
    pub(crate) width: usize,
    /// Whether the matrix holds gate and up rows, and the output is `silu(gate) · up`.
    pub(crate) gated: bool,
    /// Normalisation of the input.
    pub(crate) norm: Option<Norm<'a>>,
    /// What is added to every row of the output, `[width]`.
    pub(crate) bias: Option<&'a [f32]>,
    /// What is added to the output, `[rows of the input, width]`.
    pub(crate) residual: Option<&'a [f32]>,
}

/// A linear layer whose input is prepared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prepared<'a> {
    layer: Linear<'a>,
    activations: &'a Activations,
    output: Shared<'a, f32>,
}

impl Linear<'_> {
    /// Computes `output [rows, width]` of `input [rows, columns]`.
    ///
    /// # Panics
    /// Slices are not as long as the shapes say.
    pub(crate) fn compute(
        &self,
        kernels: &Kernels,
        workers: &dyn Workers,
        activations: &mut Activations,
        input: &[f32],
        output: &mut [f32],
    ) {
        let rows = input.len() / self.shape.columns;
        self.check(rows, input.len(), output.len());
        self.prepare(kernels, workers, activations, input);
        let prepared = Prepared { layer: *self, activations, output: Shared::new(output) };
        let units = self.units();
        if workers.count() == 1 || rows * self.shape.rows * self.shape.columns < LEAST_SHARED_PRODUCTS {
            return kernels.linear(&prepared, 0..units);
        }
        let tasks = (workers.count() * TASKS_PER_WORKER).min(units);
        workers.run(tasks, &|task| kernels.linear(&prepared, units * task / tasks..units * (task + 1) / tasks));
    }

    /// Panels of the output: of a gated matrix each is two of its panels.
    fn units(&self) -> usize {
        self.width.div_ceil(PANEL_ROWS)
    }

    fn check(&self, rows: usize, input: usize, output: usize) {
        let panels = if self.gated { 2 * self.units() } else { self.units() };
        assert!(
            self.shape.panels() == panels && self.matrix.len() == self.shape.bytes(),
            "a matrix of the stated shape"
        );
        assert!(input == rows * self.shape.columns && output == rows * self.width, "an input and output of its width");
        assert!(self.bias.is_none_or(|bias| bias.len() == self.width), "a bias for every output");
        assert!(self.residual.is_none_or(|residual| residual.len() == output), "a residual for every output");
        assert!(!self.gated || self.bias.is_none() && self.residual.is_none(), "nothing added to a gated output");
    }

    fn prepare(&self, kernels: &Kernels, workers: &dyn Workers, activations: &mut Activations, input: &[f32]) {
        let (columns, precision) = (self.shape.columns, self.shape.precision);
        let rows = input.len() / columns;
        activations.resize(rows, columns, precision);
        if workers.count() == 1 || rows < 2 * TILE {
            for (input, mut row) in input.chunks_exact(columns).zip(activations.rows_mut()) {
                kernels.write_row(input, self.norm, precision, &mut row);
            }
            return;
        }
        let mut places: Vec<_> = activations.rows_mut().collect();
        let places = Shared::new(&mut places);
        let tasks = (workers.count() * TASKS_PER_WORKER).min(rows);
        workers.run(tasks, &|task| {
            for row in rows * task / tasks..rows * (task + 1) / tasks {
                // SAFETY: every row belongs to one task.
                let place = unsafe { &mut places.part_mut(row, 1)[0] };
                kernels.write_row(&input[row * columns..][..columns], self.norm, precision, place);
            }
        });
    }

    #[inline(always)]
    fn panel(&self, panel: usize) -> Panel<'_> {
        Panel {
            values: &self.matrix[self.shape.value_range(panel)],
            scales: &self.matrix[self.shape.scale_range(panel)],
            precision: self.shape.precision,
        }
    }
}

/// Computes the panels `units` of the output, for every row of the input.
///
/// # Safety
/// The instructions of `L` are available, and nobody else computes these panels.
#[inline(always)]
pub(crate) unsafe fn compute_units<L: Lanes>(prepared: &Prepared<'_>, units: Range<usize>) {
    let layer = &prepared.layer;
    let rows = prepared.activations.rows();
    for unit in units {
        for first in (0..rows).step_by(TILE) {
            let count = TILE.min(rows - first);
            let mut tile: Tile = [[0.0; LANES]; TILE];
            // SAFETY: passed on from the caller; `Linear::check` has compared the widths, and `count` rows are there.
            unsafe {
                if layer.gated {
                    let mut up: Tile = [[0.0; LANES]; TILE];
                    dot::multiply::<L>(&layer.panel(2 * unit), prepared.activations, first, count, &mut tile);
                    dot::multiply::<L>(&layer.panel(2 * unit + 1), prepared.activations, first, count, &mut up);
                    for row in 0..count {
                        gate::<L>(&mut tile[row], &up[row]);
                    }
                } else {
                    dot::multiply::<L>(&layer.panel(unit), prepared.activations, first, count, &mut tile);
                }
            }
            for (row, sums) in tile[..count].iter().enumerate() {
                // SAFETY: these places of the output belong to this panel and row alone.
                unsafe { store::<L>(prepared, unit, first + row, sums) };
            }
        }
    }
}

/// `silu(gate) · up`, where `silu(x) = x / (1 + exp(−x))`.
#[inline(always)]
unsafe fn gate<L: Lanes>(gate: &mut [f32; LANES], up: &[f32; LANES]) {
    // SAFETY: both arrays hold sixteen floats; the instructions are the caller's promise.
    unsafe {
        let value = L::load_floats(gate.as_ptr());
        let exponential = lanes::exponential::<L>(L::subtract(L::splat(0.0), value));
        let activated = L::divide(value, L::add(L::splat(1.0), exponential));
        L::store_floats(L::multiply(activated, L::load_floats(up.as_ptr())), gate.as_mut_ptr());
    }
}

/// Writes a panel's sums of one row, bias and residual added.
///
/// # Safety
/// The instructions of `L` are available, and these places of the output belong to the caller alone.
#[inline(always)]
unsafe fn store<L: Lanes>(prepared: &Prepared<'_>, unit: usize, row: usize, sums: &[f32; LANES]) {
    let layer = &prepared.layer;
    let column = unit * PANEL_ROWS;
    let width = PANEL_ROWS.min(layer.width - column);
    let start = row * layer.width + column;
    // SAFETY: passed on from the caller.
    let output = unsafe { prepared.output.part_mut(start, width) };
    let bias = layer.bias.map(|bias| &bias[column..column + width]);
    let residual = layer.residual.map(|residual| &residual[start..start + width]);
    if width == LANES {
        // SAFETY: all slices are sixteen floats long; the instructions are the caller's promise.
        unsafe {
            let mut sum = L::load_floats(sums.as_ptr());
            for addend in [bias, residual].into_iter().flatten() {
                sum = L::add(sum, L::load_floats(addend.as_ptr()));
            }
            L::store_floats(sum, output.as_mut_ptr());
        }
        return;
    }
    output.copy_from_slice(&sums[..width]);
    for addend in [bias, residual].into_iter().flatten() {
        output.iter_mut().zip(addend).for_each(|(output, addend)| *output += addend);
    }
}
