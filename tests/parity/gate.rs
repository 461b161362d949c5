//! The gate of the export: the same bytes for the same checkpoint, and no bundle without parity.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use pupil_distill::checkpoint::Checkpoint;
use pupil_distill::export::{ExportError, ExportPlan, export, export_unproved, parity};
use pupil_distill::interrupt::Interrupt;
use pupil_distill::student::ReferenceStudent;
use pupil_models::bundle::{Bundle, BundleError, Manifest, WEIGHTS};
use pupil_models::contract::ReasoningContract;
use pupil_runtime::Engine;

use crate::TOLERANCE;
use crate::contract::contract;
use crate::students::{tiny, write_checkpoint};

fn questions(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("What is {number} and {}?", number * 7)).collect()
}

fn exported(checkpoint: &Path, target: &Path, interrupt: &Interrupt) -> Result<Manifest, ExportError> {
    let (contract, questions): (ReasoningContract, Vec<String>) = (contract(), questions(10));
    let threads = NonZeroUsize::MIN;
    export(
        &ExportPlan {
            checkpoint,
            contract: &contract,
            name: "tiny",
            questions: &questions,
            quantised: None,
            threads,
            force: false,
            target,
        },
        interrupt,
    )
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| name(entry.unwrap())).collect();
    names.sort_unstable();
    names
}

#[test]
fn exporting_twice_writes_the_same_bytes_and_the_proof() {
    let root = tempfile::tempdir().unwrap();
    let checkpoint = root.path().join("checkpoint");
    write_checkpoint(&checkpoint, &tiny(), 1);
    let (first, second) = (root.path().join("first"), root.path().join("second"));
    let manifest = exported(&checkpoint, &first, &Interrupt::new()).unwrap();
    exported(&checkpoint, &second, &Interrupt::new()).unwrap();
    for name in names(&first) {
        assert!(fs::read(first.join(&name)).unwrap() == fs::read(second.join(&name)).unwrap(), "{name}");
    }
    assert_eq!(names(&first), names(&second));
    let parity = manifest.parity.unwrap();
    assert_eq!((parity.prompts, parity.equal_greedy_completions), (10, 10));
    assert!(parity.positions > 200 && parity.max_logit_difference <= TOLERANCE, "{parity:?}");
    Bundle::open(&second).unwrap().verify().unwrap();
    // Over a bundle that is there, the same again.
    exported(&checkpoint, &second, &Interrupt::new()).unwrap();
    assert_eq!(names(root.path()), ["checkpoint", "first", "second"]);
}

/// The graph of a student with one changed weight, against libtorch with the weight unchanged.
#[test]
fn one_wrong_weight_does_not_pass() {
    let root = tempfile::tempdir().unwrap();
    let (right, wrong) = (root.path().join("right"), root.path().join("wrong"));
    write_checkpoint(&right, &tiny(), 1);
    write_checkpoint(&wrong, &tiny(), 1);
    let reference = ReferenceStudent::open(&Checkpoint::open(&right).unwrap(), 1).unwrap();
    let range = Checkpoint::open(&wrong)
        .unwrap()
        .weights()
        .whole_float32()
        .unwrap()
        .range("model.layers.1.mlp.down_proj.weight")
        .unwrap();
    let mut bytes = fs::read(wrong.join(WEIGHTS)).unwrap();
    let weight: &mut [u8; 4] = bytes[range.offset..].first_chunk_mut().unwrap();
    *weight = (f32::from_le_bytes(*weight) + 0.01).to_le_bytes();
    fs::write(wrong.join(WEIGHTS), bytes).unwrap();

    let mut verdicts = [&right, &wrong].map(|checkpoint| {
        let target = checkpoint.with_extension("bundle");
        export_unproved(checkpoint, &contract(), "tiny", &target).unwrap();
        let mut engine = Engine::open(&target).unwrap();
        let proved = parity::compare(&mut engine, 0, &reference, &questions(5), &Interrupt::new()).unwrap();
        parity::require_float32(&proved.parity)
    });
    let [right, wrong] = &mut verdicts;
    assert!(right.is_ok(), "{right:?}");
    let error = wrong.as_ref().unwrap_err();
    assert!(matches!(error, ExportError::Parity { .. }));
    assert!(
        error.to_string().starts_with("parity: expected logits within 1e-4 and 5 of 5 greedy completions equal, found")
    );
}

/// Attention scores in the thousands, of which rounding in the last places decides: the two sides differ, whoever is right.
#[test]
fn a_student_that_misses_parity_gets_no_bundle() {
    let root = tempfile::tempdir().unwrap();
    let checkpoint = root.path().join("checkpoint");
    write_checkpoint(&checkpoint, &tiny(), 1);
    let opened = Checkpoint::open(&checkpoint).unwrap();
    let queries = [0, 1].map(|layer| format!("model.layers.{layer}.self_attn.q_proj.weight"));
    let queries = queries.map(|name| opened.weights().whole_float32().unwrap().range(&name).unwrap());
    drop(opened);
    let mut bytes = fs::read(checkpoint.join(WEIGHTS)).unwrap();
    for query in queries {
        for weight in bytes[query.offset..][..query.bytes].as_chunks_mut::<4>().0 {
            *weight = (f32::from_le_bytes(*weight) * 1e3).to_le_bytes();
        }
    }
    fs::write(checkpoint.join(WEIGHTS), bytes).unwrap();
    let error = exported(&checkpoint, &root.path().join("bundle"), &Interrupt::new()).unwrap_err();
    assert!(matches!(error, ExportError::Parity { .. }), "{error}");
    assert_eq!(names(root.path()), ["checkpoint"]);
}

#[test]
fn a_weight_that_is_no_number_gets_no_bundle() {
    let root = tempfile::tempdir().unwrap();
    let checkpoint = root.path().join("checkpoint");
    write_checkpoint(&checkpoint, &tiny(), 1);
    let range =
        Checkpoint::open(&checkpoint).unwrap().weights().whole_float32().unwrap().range("model.norm.weight").unwrap();
    let mut bytes = fs::read(checkpoint.join(WEIGHTS)).unwrap();
    bytes[range.offset + 8..range.offset + 12].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(checkpoint.join(WEIGHTS), bytes).unwrap();
    let error = exported(&checkpoint, &root.path().join("bundle"), &Interrupt::new()).unwrap_err();
    assert!(matches!(error, ExportError::Bundle(BundleError::NonFinite { index: 2, .. })), "{error:?}");
    assert_eq!(names(root.path()), ["checkpoint"]);
}

#[test]
fn an_interrupted_export_leaves_nothing_and_the_old_bundle_stays() {
    let root = tempfile::tempdir().unwrap();
    let (checkpoint, bundle) = (root.path().join("checkpoint"), root.path().join("bundle"));
    write_checkpoint(&checkpoint, &tiny(), 1);
    let interrupt = Interrupt::new();
    interrupt.request();
    assert!(matches!(exported(&checkpoint, &bundle, &interrupt), Err(ExportError::Interrupted)));
    assert_eq!(names(root.path()), ["checkpoint"]);
    exported(&checkpoint, &bundle, &Interrupt::new()).unwrap();
    assert!(matches!(exported(&checkpoint, &bundle, &interrupt), Err(ExportError::Interrupted)));
    assert_eq!(names(root.path()), ["bundle", "checkpoint"]);
    Bundle::open(&bundle).unwrap().verify().unwrap();
}

#[test]
fn heads_of_a_width_that_the_runtime_cannot_rotate_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let checkpoint = root.path().join("checkpoint");
    write_checkpoint(&checkpoint, &pupil_models::config::StudentConfig { head_dim: 8, ..tiny() }, 1);
    let error = exported(&checkpoint, &root.path().join("bundle"), &Interrupt::new()).unwrap_err();
    assert_eq!(error.to_string(), "config `head_dim`: expected a multiple of 16, found 8");
    assert_eq!(names(root.path()), ["checkpoint"]);
}
