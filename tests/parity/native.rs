//! Native bundles: packed matrices hold the checkpoint's weights, and our operators compute with them what libtorch does.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use half::f16;
use pupil_distill::checkpoint::{Checkpoint, write_weights};
use pupil_distill::export::{ExportPlan, export_without_parity};
use pupil_distill::interrupt::Interrupt;
use pupil_distill::student::ReferenceStudent;
use pupil_models::bundle::{Bundle, CONFIG, TOKENIZER, WEIGHTS};
use pupil_models::config::StudentConfig;
use pupil_models::family::{Family, NativeTensor, native_tensors, weights};
use pupil_models::format::WeightFormat;
use pupil_models::packed::{PANEL_ROWS, Precision};
use pupil_runtime::Engine;

use crate::contract::contract;
use crate::students::{tiny, write_checkpoint};

/// Sizes that fill neither panels nor blocks, in a family with biases.
fn odd() -> StudentConfig {
    StudentConfig {
        family: Family::Qwen2,
        hidden_size: 40,
        intermediate_size: 72,
        heads: 3,
        kv_heads: 1,
        tied_head: false,
        ..tiny()
    }
}

fn export(checkpoint: &Path, format: WeightFormat, target: &Path) {
    let (contract, threads) = (contract(), NonZeroUsize::new(2).unwrap());
    let plan = ExportPlan {
        checkpoint,
        contract: &contract,
        name: "random",
        questions: &[],
        quantised: None,
        threads,
        force: false,
        target,
    };
    export_without_parity(&plan, format, &Interrupt::new()).unwrap();
}

/// What the bundle's tensors stand for, by the names and in the order of the checkpoint's weights.
fn unpacked(bundle: &Bundle) -> Vec<f32> {
    let config = bundle.config();
    let mut values: std::collections::HashMap<String, Vec<f32>> = std::collections::HashMap::new();
    for tensor in native_tensors(config) {
        let bytes = bundle.weights().bytes(tensor.name()).unwrap();
        match tensor {
            NativeTensor::Matrix(matrix) => {
                let whole = matrix.packed(matrix.precision_of(bytes.len()).unwrap()).unpack(bytes);
                let mut first = 0;
                for (index, (source, rows)) in matrix.sources.iter().enumerate() {
                    let place = |row: usize| {
                        if matrix.gated {
                            (2 * (row / PANEL_ROWS) + index) * PANEL_ROWS + row % PANEL_ROWS
                        } else {
                            first + row
                        }
                    };
                    let row = |row: usize| &whole[place(row) * matrix.columns..][..matrix.columns];
                    values.insert(source.clone(), (0..*rows).flat_map(row).copied().collect());
                    first += rows;
                }
            }
            NativeTensor::Vector(vector) => {
                let mut numbers = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                for source in vector.sources {
                    let length = weights(config).iter().find(|weight| weight.name == source).unwrap().shape[0];
                    values.insert(source, numbers.by_ref().take(length).collect());
                }
            }
        }
    }
    weights(config).iter().flat_map(|weight| values.remove(&weight.name).unwrap()).collect()
}

#[test]
fn packed_matrices_hold_the_weights_of_the_checkpoint() {
    for (config, seed) in [(tiny(), 5), (odd(), 6)] {
        let root = tempfile::tempdir().unwrap();
        let checkpoint = root.path().join("checkpoint");
        write_checkpoint(&checkpoint, &config, seed);
        let table = weights(&config);
        let expected = Checkpoint::open(&checkpoint).unwrap().weights().flat_values(&table).unwrap();
        // Root of the mean squared error of normal numbers, as a share of their deviation: a step of the largest of 32 (about
        // 2.1 deviations) over 127 or 7.5, divided by the root of 12, and some more for the scale's own rounding.
        for (precision, tolerance) in [(Precision::Four, 0.1), (Precision::Eight, 0.006), (Precision::Sixteen, 0.0)] {
            let target = root.path().join(format!("{precision:?}"));
            export(&checkpoint, WeightFormat::Native(precision), &target);
            let bundle = Bundle::open(&target).unwrap();
            bundle.verify().unwrap();
            let found = unpacked(&bundle);
            let mut start = 0;
            for weight in &table {
                let range = start..start + weight.shape.iter().product::<usize>();
                start = range.end;
                let (expected, found) = (&expected[range.clone()], &found[range]);
                match (weight.shape.len(), precision) {
                    (1, _) => assert_eq!(found, expected, "{}", weight.name),
                    (_, Precision::Sixteen) => {
                        let halves = expected.iter().map(|&value| f16::from_f32(value).to_f32());
                        assert!(found.iter().copied().eq(halves), "{}", weight.name);
                    }
                    _ => {
                        let error: f32 = expected.iter().zip(found).map(|(left, right)| (left - right).powi(2)).sum();
                        let size: f32 = expected.iter().map(|value| value * value).sum();
                        assert!((error / size).sqrt() < tolerance, "{}: {}", weight.name, (error / size).sqrt());
                    }
                }
            }
        }
    }
}

#[test]
fn the_same_checkpoint_gives_the_same_bytes_on_any_number_of_threads() {
    let root = tempfile::tempdir().unwrap();
    let checkpoint = root.path().join("checkpoint");
    write_checkpoint(&checkpoint, &odd(), 7);
    let contract = contract();
    let written = [1, 3].map(|threads| {
        let target = root.path().join(threads.to_string());
        let plan = ExportPlan {
            checkpoint: &checkpoint,
            contract: &contract,
            name: "random",
            questions: &[],
            quantised: None,
            threads: NonZeroUsize::new(threads).unwrap(),
            force: false,
            target: &target,
        };
        export_without_parity(&plan, WeightFormat::Native(Precision::Four), &Interrupt::new()).unwrap();
        fs::read(target.join(WEIGHTS)).unwrap()
    });
    assert!(written[0] == written[1]);
}

/// Logits of the native bundle against libtorch's on the very weights that it holds: what differs is the arithmetic, in which
/// inputs of quantised products are 8-bit integers and the cache is float16.
#[test]
fn our_operators_compute_what_libtorch_computes_on_the_same_weights() {
    for (config, seed) in [(tiny(), 8), (odd(), 9)] {
        let root = tempfile::tempdir().unwrap();
        let checkpoint = root.path().join("checkpoint");
        write_checkpoint(&checkpoint, &config, seed);
        for (precision, tolerance) in [(Precision::Four, 0.05), (Precision::Eight, 0.05), (Precision::Sixteen, 0.005)] {
            let target = root.path().join(format!("{precision:?}"));
            export(&checkpoint, WeightFormat::Native(precision), &target);
            let rounded = root.path().join(format!("{precision:?} unpacked"));
            fs::create_dir(&rounded).unwrap();
            for name in [CONFIG, TOKENIZER] {
                fs::copy(checkpoint.join(name), rounded.join(name)).unwrap();
            }
            let values = unpacked(&Bundle::open(&target).unwrap());
            write_weights(&rounded.join(WEIGHTS), &weights(&config), &values).unwrap();
            let reference = ReferenceStudent::open(&Checkpoint::open(&rounded).unwrap(), 1).unwrap();
            let mut engine = Engine::open(&target).unwrap();
            for length in [1, 2, 17, 90] {
                let ids: Vec<u32> = (0..length).map(|index| (index * 37 + 11) % 257).collect();
                let (found, expected) = (engine.logits(&ids).unwrap(), reference.logits(&ids).unwrap());
                let error: f32 = found.iter().zip(&expected).map(|(left, right)| (left - right).powi(2)).sum();
                let size: f32 = expected.iter().map(|logit| logit * logit).sum();
                let share = (error / size).sqrt();
                println!("{}, {precision:?}, {length} tokens: {share:e}", config.family);
                assert!(share < tolerance, "{}, {precision:?}, {length} tokens: {share}", config.family);
            }
        }
    }
}
