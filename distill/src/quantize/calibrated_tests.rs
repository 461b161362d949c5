//! Rounding that knows the inputs, on inputs made up here: what it gains, and that it is exact where it can be.

use super::compensate::{self, InverseFactor};
use super::fold::{NamedWeight, divide_rows, multiply_columns, search};
use super::*;

const COLUMNS: usize = 96;
const ROWS: usize = 40;
const SAMPLES: usize = 400;

/// A number between −0.5 and 0.5 that follows from its key.
fn uniform(key: &[u64]) -> f32 {
    (crate::keyed::mix(key) as f64 / u64::MAX as f64 - 0.5) as f32
}

fn weights() -> Vec<f32> {
    (0..ROWS * COLUMNS).map(|index| (0..6).map(|part| uniform(&[1, index as u64, part])).sum()).collect()
}

/// Inputs `[samples, columns]` of a few hidden causes, so that channels are correlated, and of unequal size.
fn inputs() -> Vec<f32> {
    let value = |sample: usize, column: usize| {
        let cause =
            |cause: usize| uniform(&[2, sample as u64, cause as u64]) * uniform(&[3, cause as u64, column as u64]);
        let mixed: f32 = (0..24).map(cause).sum();
        let size = if column.is_multiple_of(17) { 12.0 } else { 1.0 };
        size * (mixed + 0.3 * uniform(&[4, sample as u64, column as u64]))
    };
    (0..SAMPLES).flat_map(|sample| (0..COLUMNS).map(move |column| value(sample, column))).collect()
}

fn mean_square(inputs: &[f32]) -> Vec<f32> {
    let of = |column: usize| inputs.iter().skip(column).step_by(COLUMNS).map(|value| value * value).sum::<f32>();
    (0..COLUMNS).map(|column| of(column) / SAMPLES as f32).collect()
}

/// `‖(W − Ŵ) Xᵀ‖²`.
fn output_error(weights: &[f32], rounded: &[f32], inputs: &[f32]) -> f64 {
    let difference: Vec<f32> = weights.iter().zip(rounded).map(|(a, b)| a - b).collect();
    let product = |row: &[f32], input: &[f32]| row.iter().zip(input).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let rows = difference.chunks_exact(COLUMNS);
    rows.map(|row| inputs.chunks_exact(COLUMNS).map(|input| product(row, input).powi(2)).sum::<f64>()).sum()
}

/// The upper Cholesky factor of the inverse of `gram + damping`, by elimination in double precision.
fn inverse_factor(gram: &[f64], size: usize) -> InverseFactor {
    let mut inverse = vec![0.0; size * size];
    let mut work = gram.to_vec();
    (0..size).for_each(|index| inverse[index * (size + 1)] = 1.0);
    for pivot in 0..size {
        let factor = 1.0 / work[pivot * (size + 1)];
        for column in 0..size {
            work[pivot * size + column] *= factor;
            inverse[pivot * size + column] *= factor;
        }
        for row in (0..size).filter(|&row| row != pivot) {
            let factor = work[row * size + pivot];
            for column in 0..size {
                work[row * size + column] -= factor * work[pivot * size + column];
                inverse[row * size + column] -= factor * inverse[pivot * size + column];
            }
        }
    }
    let mut upper = vec![0.0; size * size];
    for row in 0..size {
        let known: f64 = (0..row).map(|k| upper[k * size + row] * upper[k * size + row]).sum();
        upper[row * (size + 1)] = (inverse[row * (size + 1)] - known).sqrt();
        for column in row + 1..size {
            let known: f64 = (0..row).map(|k| upper[k * size + row] * upper[k * size + column]).sum();
            upper[row * size + column] = (inverse[row * size + column] - known) / upper[row * (size + 1)];
        }
    }
    InverseFactor::new(size, upper.iter().map(|&value| value as f32).collect())
}

fn factor_of(inputs: &[f32]) -> InverseFactor {
    let mut gram = vec![0.0; COLUMNS * COLUMNS];
    for input in inputs.chunks_exact(COLUMNS) {
        for (row, &left) in input.iter().enumerate() {
            for (column, &right) in input.iter().enumerate() {
                gram[row * COLUMNS + column] += f64::from(left) * f64::from(right);
            }
        }
    }
    let trace: f64 = (0..COLUMNS).map(|index| gram[index * (COLUMNS + 1)]).sum();
    (0..COLUMNS).for_each(|index| gram[index * (COLUMNS + 1)] += 0.01 * trace / COLUMNS as f64);
    inverse_factor(&gram, COLUMNS)
}

#[test]
fn rounding_that_knows_the_inputs_errs_less() {
    let (weights, inputs) = (weights(), inputs());
    let (mean_square, factor) = (mean_square(&inputs), factor_of(&inputs));
    for bits in Bits::ALL {
        let format = BlockFormat::native(bits);
        let of = |fitting, importance| {
            let matrix = QuantizedMatrix::quantize("w", COLUMNS, format, fitting, importance, &weights).unwrap();
            output_error(&weights, &matrix.values(), &inputs)
        };
        let plain = of(Fitting::Covering, None);
        let aware = of(Fitting::LeastError, Some(mean_square.as_slice()));
        let compensated = compensate::quantize("w", COLUMNS, format, &factor, &weights, 1).unwrap();
        let compensated = output_error(&weights, &compensated.values(), &inputs);
        let found = search(&[NamedWeight { tensor: "w", values: &weights }], &mean_square, format).unwrap();
        let mut enlarged = weights.clone();
        multiply_columns(&mut enlarged, &found.factors);
        let rounded = QuantizedMatrix::quantize("w", COLUMNS, format, Fitting::Covering, None, &enlarged).unwrap();
        let mut folded = rounded.values();
        let inverse: Vec<f32> = found.factors.iter().map(|factor| 1.0 / factor).collect();
        multiply_columns(&mut folded, &inverse);
        let folded = output_error(&weights, &folded, &inputs);
        assert!(aware < 0.6 * plain, "{bits:?}: {aware} of {plain}");
        assert!(folded < 0.6 * plain, "{bits:?}: {folded} of {plain}");
        assert!(compensated < 0.2 * plain, "{bits:?}: {compensated} of {plain}");
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let (weights, factor) = (weights(), factor_of(&inputs()));
    let of = |threads| compensate::quantize("w", COLUMNS, BlockFormat::native(Bits::Four), &factor, &weights, threads);
    let one = of(1).unwrap();
    assert_eq!((one.rows(), one.scales().len()), (ROWS, ROWS * COLUMNS / 32));
    assert_eq!(of(2).unwrap(), one);
    assert_eq!(of(7).unwrap(), one);
}

#[test]
fn representable_weights_are_not_moved() {
    let factor = factor_of(&inputs());
    let weights: Vec<f32> = (0..COLUMNS).map(|column| (column % 15) as f32 * 0.25 - 1.75).collect();
    let matrix = compensate::quantize("w", COLUMNS, BlockFormat::native(Bits::Four), &factor, &weights, 1).unwrap();
    assert_eq!(matrix.values(), weights);
}

#[test]
fn a_factor_of_another_layer_and_wrong_weights_are_refused() {
    let factor = InverseFactor::new(2, vec![1.0, 0.0, 0.0, 1.0]);
    let format = BlockFormat::native(Bits::Four);
    let error = compensate::quantize("w", 3, format, &factor, &[1.0; 3], 1).unwrap_err();
    assert_eq!(error.to_string(), "tensor `w`: expected statistics of 3 input channels, found 2");
    let error = compensate::quantize("w", 2, format, &factor, &[1.0, 1.0, f32::NAN, 0.0], 1).unwrap_err();
    assert_eq!(error.to_string(), "tensor `w`: expected finite weights, found NaN in row 1, column 0");
}

#[test]
fn folding_keeps_the_product() {
    let factors = [0.5, 2.0, 4.0];
    let (mut producer, mut consumer) = ([1.0, 2.0, 3.0], [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    divide_rows(&mut producer, &factors);
    multiply_columns(&mut consumer, &factors);
    for (row, expected) in consumer.chunks_exact(3).zip([6.0, 12.0]) {
        assert!((row.iter().zip(&producer).map(|(a, b)| a * b).sum::<f32>() - expected).abs() < 1e-6);
    }
}

#[test]
fn channels_that_are_always_zero_are_left_finite() {
    let weights = weights();
    let mut squares = mean_square(&inputs());
    squares[5] = 0.0;
    let found =
        search(&[NamedWeight { tensor: "w", values: &weights }], &squares, BlockFormat::native(Bits::Four)).unwrap();
    assert!(found.factors.iter().all(|factor| factor.is_finite() && *factor > 0.0));
    assert!(found.folded <= found.plain);
}
