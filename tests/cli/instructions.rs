//! The instructions that a native bundle is computed with: all that this machine has give one answer, others are refused.

use std::path::{Path, PathBuf};

use pupil_runtime::InstructionSet;
use serde_json::Value;

use crate::{path, run, text};

const QUESTION: &str = "Take the last letters of each words in \"Marta Jonas Wei Tessa\" and concatenate them.";

/// The shipped student, which is native.
fn student() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic")
}

fn available() -> Vec<&'static str> {
    InstructionSet::ALL.into_iter().filter(|set| set.is_available()).map(InstructionSet::name).collect()
}

#[test]
fn every_available_set_gives_the_same_answer_step_by_step() {
    for set in available() {
        let output = run(&["solve", path(&student()), QUESTION, "--untuned", "--json", "--instructions", set]);
        let last: Value = serde_json::from_str(text(&output.stdout).lines().last().unwrap()).unwrap();
        let expected = " Marta ends in a.\nJonas ends in s.\nWei ends in i.\nTessa ends in a. The answer is asia";
        let words = |completion: &str| completion.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(last["completion"].as_str().unwrap()), words(expected), "{set}");
    }
}

#[test]
fn a_set_that_this_machine_lacks_is_refused_with_those_it_has() {
    let lacking = InstructionSet::ALL.into_iter().find(|set| !set.is_available()).unwrap().name();
    let output = run(&["solve", path(&student()), QUESTION, "--instructions", lacking]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
    let expected = format!(
        "error: instructions `{lacking}`: expected a machine that has them, found one with `{}`\n\
         hint: name one of those, or none: the fastest is used then\n",
        available().join("`, `")
    );
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn doctor_names_the_sets_and_uses_the_last_of_them() {
    let report: Value = serde_json::from_slice(&run(&["doctor", "--json"]).stdout).unwrap();
    let available = available();
    assert_eq!(report["kernels"]["available"], Value::from(available.clone()));
    assert_eq!(report["kernels"]["used"], *available.last().unwrap());
}
