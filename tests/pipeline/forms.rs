//! An experiment whose student is exported in the cheapest form inside a tolerance.

use std::fs;

use pupil_models::bundle::{Bundle, MANIFEST};
use pupil_models::format::WeightFormat;

use crate::micro::{Micro, succeeded};

/// The micro experiment with enough questions held out to show so wide a tolerance.
fn tolerant() -> Micro {
    let micro = Micro::new();
    micro.change("held_out = 0.1", "held_out = 0.4");
    micro.change("parity_prompts = 20", "parity_prompts = 20\nwithin = \"10pp\"");
    micro
}

#[test]
fn the_bundle_takes_a_native_form_and_tells_what_was_tried() {
    let micro = tolerant();
    let printed = succeeded(&micro.stage("export").output().unwrap());
    assert!(printed.contains("* in the bundle: inside 10pp of accuracy lost"), "{printed}");
    let bundle = Bundle::open(micro.run_folder().join("bundle")).unwrap();
    bundle.verify().unwrap();
    let parity = bundle.manifest().parity.clone().unwrap();
    assert_eq!(parity.equal_greedy_completions, 20, "the float32 graph is proved first");
    let (float32, chosen) = (&parity.ladder[0], parity.chosen().unwrap());
    assert!(matches!(bundle.manifest().weights, WeightFormat::Native(_)), "{parity:?}");
    assert!(chosen.bytes < float32.bytes / 2, "{parity:?}");
    let answers = chosen.answers.unwrap();
    // 96 of 240 samples are held out, of examples that have one each.
    assert!(answers.questions > 60 && answers.low_points >= -10.0, "{answers:?}");
    assert!(
        chosen.completions.max > float32.completions.max && chosen.completions.mean_kl > float32.completions.mean_kl
    );

    let record = fs::read_to_string(micro.run_folder().join("export.stage.toml")).unwrap();
    for name in ["within", "samples", "forms_tried", "low_points"] {
        assert!(record.contains(&format!("{name} = ")), "{name}: {record}");
    }
    // Done once; another tolerance is another export.
    let before = fs::read(micro.run_folder().join("bundle").join(MANIFEST)).unwrap();
    assert!(succeeded(&micro.stage("export").output().unwrap()).contains("(done before)"));
    assert_eq!(fs::read(micro.run_folder().join("bundle").join(MANIFEST)).unwrap(), before);
    micro.change("within = \"10pp\"", "within = \"9pp\"");
    let refused = micro.stage("export").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("found a difference in `within`"), "{message}");
}

#[test]
fn a_form_is_not_chosen_by_the_questions_of_the_test() {
    let micro = tolerant();
    let data = "data = \"last_letter_concatenation.jsonl\"\nsplit = \"split.json:test\"";
    micro.change("within = \"10pp\"", &format!("within = \"10pp\"\n{data}"));
    let refused = micro.stage("export").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(
        message.contains("`export.data`: expected questions that no test asks, found `last_letter_concatenation/1`"),
        "{message}"
    );
    assert!(!micro.run_folder().join("bundle").exists());
}

#[test]
fn too_few_questions_are_refused_with_how_many_it_takes() {
    let micro = Micro::new();
    let output = micro.distill(&["export", "experiment.toml", "--within", "1pp"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("gate: expected at least "), "{message}");
    assert!(message.contains("so that 1pp can be shown, found 24"), "{message}");
    assert!(!micro.run_folder().join("bundle").exists());
}
