//! The forward pass against Hugging Face transformers, on checkpoints that it wrote: see `golden.py`.

use std::fs;
use std::path::Path;

use pupil_distill::checkpoint::Checkpoint;
use pupil_distill::export::export_unproved;
use pupil_distill::student::ReferenceStudent;
use pupil_runtime::Engine;
use serde::Deserialize;

use crate::contract::contract;
use crate::{TOLERANCE, difference};

#[derive(Deserialize)]
struct Golden {
    ids: Vec<u32>,
    logits: Vec<f32>,
}

/// Compares both forward passes with the logits of one golden checkpoint.
fn compare(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/parity/golden").join(name);
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let reference = ReferenceStudent::open(&checkpoint, 1).unwrap();
    let target = tempfile::tempdir().unwrap();
    let bundle = target.path().join("bundle");
    export_unproved(&folder, &contract(), name, &bundle).unwrap();
    let mut engine = Engine::open(&bundle).unwrap();
    let rows: Vec<Golden> = fs::read_to_string(folder.join("logits.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    for Golden { ids, logits } in rows {
        let largest = logits.iter().fold(0.0_f32, |max, logit| max.max(logit.abs()));
        assert!(largest > 1.0, "logits that differ by more than the tolerance if anything is wrong");
        let libtorch = difference(&reference.logits(&ids).unwrap(), &logits);
        assert!(libtorch <= TOLERANCE, "{name}, {} tokens: libtorch differs by {libtorch}", ids.len());
        let graph = difference(&engine.logits(&ids).unwrap(), &logits);
        assert!(graph <= TOLERANCE, "{name}, {} tokens: the graph differs by {graph}", ids.len());
    }
}

#[test]
fn a_student_with_a_tied_head_computes_what_transformers_computes() {
    compare("tied");
}

#[test]
fn a_student_with_a_head_of_its_own_computes_what_transformers_computes() {
    compare("untied");
}

#[test]
fn a_qwen2_student_computes_what_transformers_computes() {
    compare("qwen2");
}
