//! Bundles and checkpoints that are damaged, foreign or absent.

use std::fs;
use std::path::{Path, PathBuf};

use pupil_models::bundle::{CONFIG, CONTRACT, WEIGHTS};

use crate::micro::Micro;
use crate::{copy_folder, refused};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fixtures/tiny")
}

/// A copy of the smallest bundle, which is a checkpoint too.
fn with_student() -> Micro {
    let micro = Micro::new();
    copy_folder(&fixture(), &micro.path("student"));
    micro
}

const EVAL: [&str; 7] =
    ["eval", "--bundle", "student", "--data", "last_letter_concatenation.jsonl", "--completions", "graded.jsonl"];

const EXPORT: [&str; 9] = [
    "export",
    "--checkpoint",
    "student",
    "--contract",
    "student/reasoning.json",
    "--data",
    "last_letter_concatenation.jsonl",
    "--out",
    "bundle",
];

#[test]
fn the_unspoilt_student_is_evaluated_and_exported() {
    let micro = with_student();
    let output = micro.distill(&EVAL).args(["--json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys[..6], ["accuracy", "low", "high", "n", "format_rate", "completeness"]);
    let missed = micro.distill(&EVAL).args(["--require", "0.99"]).output().unwrap();
    assert_eq!(missed.status.code(), Some(1), "random weights answer nothing");
    let output = micro.distill(&EXPORT).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(micro.path("bundle/pupil.json").exists());
}

#[test]
fn truncated_weights() {
    let micro = with_student();
    let weights = micro.path("student").join(WEIGHTS);
    let bytes = fs::read(&weights).unwrap();
    for left in [bytes.len() - 3, bytes.len() / 2, 5, 0] {
        fs::write(&weights, &bytes[..left]).unwrap();
        let printed = refused(&micro, &mut micro.distill(&EVAL));
        let expected = format!("error: `student/model.safetensors`: expected {} bytes, found {left}\n", bytes.len());
        assert_eq!(printed, expected);
        let printed = refused(&micro, &mut micro.distill(&EXPORT));
        assert!(
            printed.contains("weights `student/model.safetensors` are not a valid safetensors file: "),
            "{printed}"
        );
    }
}

#[test]
fn a_tokenizer_that_does_not_fit() {
    let micro = with_student();
    let path = micro.path("student").join(CONFIG);
    let config = fs::read_to_string(&path).unwrap();
    assert!(config.contains("\"vocab_size\": 257"));
    fs::write(&path, config.replace("\"vocab_size\": 257", "\"vocab_size\": 200")).unwrap();
    let printed = refused(&micro, &mut micro.distill(&EXPORT));
    assert!(
        printed.contains("tokenizer does not fit the student: expected ids below 200 (`vocab_size`), found "),
        "{printed}"
    );
}

#[test]
fn a_file_of_another_bundle() {
    // Weights and tokenizer are left to `pupil verify`: hashing them at every start would read all of them.
    for name in [CONFIG, CONTRACT] {
        let micro = with_student();
        let path = micro.path("student").join(name);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() = b' ';
        fs::write(path, bytes).unwrap();
        let printed = refused(&micro, &mut micro.distill(&EVAL));
        assert!(printed.starts_with(&format!("error: `student/{name}`: expected sha256:")), "{printed}");
    }
}

#[test]
fn a_question_longer_than_the_context() {
    let micro = with_student();
    let row = serde_json::json!({"id": "long", "question": "why? ".repeat(100), "answer": "x"}).to_string();
    fs::write(micro.path("last_letter_concatenation.jsonl"), row).unwrap();
    let expected = "error: cannot answer example `last_letter_concatenation/long`\n  because: question does not fit: ";
    let printed = refused(&micro, &mut micro.distill(&EVAL));
    assert!(printed.starts_with(expected), "{printed}");
    refused(&micro, &mut micro.distill(&EXPORT));
}

#[test]
fn what_is_not_there() {
    let micro = Micro::new();
    let printed = refused(&micro, &mut micro.distill(&EVAL));
    assert!(
        printed.starts_with("error: `student` is not a bundle: expected the manifest `pupil.json` in it, found none"),
        "{printed}"
    );
    copy_folder(&fixture(), &micro.path("contract"));
    let mut arguments = EXPORT;
    arguments[4] = "contract/reasoning.json";
    let printed = refused(&micro, &mut micro.distill(&arguments));
    assert!(printed.contains("student/config.json"), "{printed}");
}
