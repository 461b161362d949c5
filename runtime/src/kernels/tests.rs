//! Every instruction set against the unpacked matrix, and in `attention` textbook attention, in double precision.

use half::f16;
use proptest::prelude::*;
use pupil_models::packed::{PANEL_ROWS, PackedShape, Precision};

use super::workers::{Alone, Workers};
use super::*;

mod attention;

/// Numbers that look random and are the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// From −1 to 1.
    fn float(&mut self) -> f32 {
        (self.next() % 20_001) as f32 / 10_000.0 - 1.0
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }

    /// A packed matrix of any values, extremes included.
    fn matrix(&mut self, shape: PackedShape) -> Vec<u8> {
        let (mut values, mut scales) = (Vec::new(), Vec::new());
        for _ in 0..shape.panels() {
            if shape.precision.is_quantised() {
                let low = if shape.precision == Precision::Four { -8 } else { -127 };
                let span = (i64::from(shape.precision.largest()) - low + 1) as u64;
                let integer = |numbers: &mut Self| (low + (numbers.next() % span) as i64) as i8;
                let integers: Vec<i8> = (0..PANEL_ROWS * shape.padded_columns()).map(|_| integer(self)).collect();
                shape.pack_integers(&integers, &mut values);
                let factors: Vec<f16> =
                    (0..PANEL_ROWS * shape.blocks()).map(|_| f16::from_f32(0.02 * self.float())).collect();
                shape.pack_scales(&factors, &mut scales);
            } else {
                shape.pack_floats(&self.floats(PANEL_ROWS * shape.padded_columns()), &mut values);
            }
        }
        values.extend(scales);
        values
    }
}

fn sets() -> impl Iterator<Item = (InstructionSet, &'static Kernels)> {
    InstructionSet::ALL.into_iter().filter_map(|set| Some((set, Kernels::of(set)?)))
}

/// Several threads, without a pool.
struct Threads(usize);

impl Workers for Threads {
    fn count(&self) -> usize {
        self.0
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            for first in 0..self.0 {
                scope.spawn(move || (first..tasks).step_by(self.0).for_each(task));
            }
        });
    }
}

/// The input as the kernels see it: normalised, and rounded to 8 bits by block.
fn rounded(input: &[f32], norm: Option<(&[f32], f32)>, precision: Precision) -> Vec<f64> {
    let mut values: Vec<f64> = input.iter().map(|&value| f64::from(value)).collect();
    if let Some((weight, epsilon)) = norm {
        let mean = values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
        let factor = 1.0 / (mean + f64::from(epsilon)).sqrt();
        values.iter_mut().zip(weight).for_each(|(value, &weight)| *value *= factor * f64::from(weight));
    }
    if precision.is_quantised() {
        for block in values.chunks_mut(32) {
            let largest = block.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
            let scale = largest / 127.0;
            for value in block {
                *value = if scale == 0.0 { 0.0 } else { (*value / scale).round() * scale };
            }
        }
    }
    values
}

struct Case {
    shape: PackedShape,
    width: usize,
    gated: bool,
    rows: usize,
    norm: bool,
    extras: bool,
    seed: u64,
}

impl Case {
    /// What every instruction set computes, on one thread and on three, beside the expected output and what it may differ by.
    fn check(&self) -> Result<(), TestCaseError> {
        let mut numbers = Numbers(self.seed);
        let matrix = numbers.matrix(self.shape);
        let input = numbers.floats(self.rows * self.shape.columns);
        let weight = numbers.floats(self.shape.columns);
        let bias = (self.extras && !self.gated).then(|| numbers.floats(self.width));
        let residual = (self.extras && !self.gated).then(|| numbers.floats(self.rows * self.width));
        let norm = self.norm.then_some((weight.as_slice(), 1e-5));
        let expected = self.expected(&matrix, &input, norm, bias.as_deref(), residual.as_deref());
        let layer = Linear {
            shape: self.shape,
            matrix: &matrix,
            width: self.width,
            gated: self.gated,
            norm: norm.map(|(weight, epsilon)| Norm { weight, epsilon }),
            bias: bias.as_deref(),
            residual: residual.as_deref(),
        };
        for (set, kernels) in sets() {
            for workers in [&Alone as &dyn Workers, &Threads(3)] {
                let mut output = vec![f32::NAN; self.rows * self.width];
                layer.compute(kernels, workers, &mut Activations::default(), &input, &mut output);
                for (index, (&found, &(expected, tolerance))) in output.iter().zip(&expected).enumerate() {
                    let difference = (f64::from(found) - expected).abs();
                    prop_assert!(difference <= tolerance, "{set}, output {index}: expected {expected}, found {found}");
                }
            }
        }
        Ok(())
    }

    /// Outputs, and the difference that rounding a value of the input the other way and summing in float32 can make.
    fn expected(
        &self,
        matrix: &[u8],
        input: &[f32],
        norm: Option<(&[f32], f32)>,
        bias: Option<&[f32]>,
        residual: Option<&[f32]>,
    ) -> Vec<(f64, f64)> {
        let unpacked = PackedShape { rows: self.shape.panels() * PANEL_ROWS, ..self.shape }.unpack(matrix);
        let columns = self.shape.columns;
        let mut outputs = Vec::new();
        for (row, input) in input.chunks_exact(columns).enumerate() {
            let exact = rounded(input, norm, self.shape.precision);
            let largest = exact.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
            let product = |matrix_row: usize| {
                let weights = &unpacked[matrix_row * columns..][..columns];
                let terms = || exact.iter().zip(weights).map(|(value, &weight)| value * f64::from(weight));
                let most = weights.iter().fold(0.0, |most: f64, &weight| most.max(f64::from(weight.abs())));
                let magnitude: f64 = terms().map(f64::abs).sum();
                // A tie of the rounding may fall either way: one step of one value.
                (terms().sum::<f64>(), 1e-5 * magnitude + 2.0 * most * largest / 127.0 + 1e-6)
            };
            for column in 0..self.width {
                if self.gated {
                    let (panel, lane) = (column / PANEL_ROWS, column % PANEL_ROWS);
                    let (gate, gate_error) = product((2 * panel) * PANEL_ROWS + lane);
                    let (up, up_error) = product((2 * panel + 1) * PANEL_ROWS + lane);
                    let silu = gate / (1.0 + (-gate).exp());
                    outputs.push((silu * up, 1.1 * gate_error * up.abs() + up_error * (silu.abs() + gate_error)));
                } else {
                    let (sum, error) = product(column);
                    let added = bias.map_or(0.0, |bias| f64::from(bias[column]))
                        + residual.map_or(0.0, |residual| f64::from(residual[row * self.width + column]));
                    outputs.push((sum + added, error));
                }
            }
        }
        outputs
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn linear_layers_multiply_by_the_unpacked_matrix(
        width in 1usize..70, columns in 1usize..200, rows in 1usize..14, which in 0usize..3,
        gated: bool, norm: bool, extras: bool, seed: u64,
    ) {
        let precision = Precision::ALL[which];
        let shape = if gated { PackedShape::gated(width, columns, precision) } else { PackedShape::new(width, columns, precision) };
        Case { shape, width, gated, rows, norm, extras, seed }.check()?;
    }
}

#[test]
fn a_layer_large_enough_for_several_threads_is_computed_whole() {
    for precision in Precision::ALL {
        let shape = PackedShape::new(530, 576, precision);
        let case = Case { shape, width: 530, gated: false, rows: 9, norm: true, extras: true, seed: 7 };
        case.check().unwrap();
    }
}

/// The output of a layer with a matrix of ones for one row of input.
fn ones(kernels: &Kernels, precision: Precision, input: &[f32]) -> Vec<f32> {
    let shape = PackedShape::new(16, input.len(), precision);
    let (mut matrix, mut scales) = (Vec::new(), Vec::new());
    if precision.is_quantised() {
        shape.pack_integers(&vec![1; 16 * shape.padded_columns()], &mut matrix);
        shape.pack_scales(&vec![f16::ONE; 16 * shape.blocks()], &mut scales);
    } else {
        shape.pack_floats(&vec![1.0; 16 * shape.padded_columns()], &mut matrix);
    }
    matrix.extend(scales);
    let layer = Linear { shape, matrix: &matrix, width: 16, gated: false, norm: None, bias: None, residual: None };
    let mut output = vec![0.0; 16];
    layer.compute(kernels, &Alone, &mut Activations::default(), input, &mut output);
    output
}

#[test]
fn what_is_not_finite_comes_out_as_not_finite() {
    for (set, kernels) in sets() {
        for precision in Precision::ALL {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut input = vec![0.5; 64];
                input[37] = bad;
                let output = ones(kernels, precision, &input);
                assert!(output.iter().all(|value| !value.is_finite()), "{set} {precision:?} {bad}: {output:?}");
            }
        }
    }
}

#[test]
fn zeros_and_denormals_count_as_zero_and_the_largest_numbers_do_not_overflow() {
    for (set, kernels) in sets() {
        for precision in [Precision::Four, Precision::Eight] {
            for tiny in [0.0, -0.0, f32::MIN_POSITIVE, 1e-45] {
                assert_eq!(ones(kernels, precision, &[tiny; 64]), vec![0.0; 16], "{set} {precision:?} {tiny}");
            }
            let mut input = [0.0; 64];
            input[3] = 1e37;
            let output = ones(kernels, precision, &input);
            assert!(output.iter().all(|value| (value / 1e37 - 1.0).abs() < 1e-6), "{set} {precision:?}: {output:?}");
        }
    }
}

#[test]
fn every_available_set_is_named_and_the_best_one_runs() {
    assert!(InstructionSet::Plain.is_available() && InstructionSet::best().is_available());
    for set in InstructionSet::ALL {
        assert_eq!(set.is_available(), set.is_present(), "{set} agrees with the plain kernels wherever it is present");
        assert_eq!(set.name().parse(), Ok(set));
    }
    assert!("sse2".parse::<InstructionSet>().unwrap_err().contains("found `sse2`"));
}

#[test]
#[ignore = "run by .ci/emulated, which says what sets the processor has"]
fn an_emulated_processor_has_exactly_the_sets_of_its_instructions() {
    let expected = std::env::var("PUPIL_EXPECTED_SETS").unwrap();
    let found: Vec<&str> = sets().map(|(set, _)| set.name()).collect();
    assert_eq!(found.join(" "), expected);
}
