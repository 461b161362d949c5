//! `pupil` on the smallest real bundle, whose random weights answer nothing sensible.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::Value;

use crate::bundles::fixture;
use crate::{path, pupil, run, text};

#[test]
fn json_is_one_event_a_line() {
    let Some(bundle) = fixture() else { return };
    let output = run(&["solve", path(&bundle), "1 + 1?", "--json"]);
    let events: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "prefilled");
    let last = events.last().unwrap();
    assert_eq!(last["event"], "finished");
    let joined: String =
        events.iter().filter(|event| event["event"] == "text").map(|event| event["text"].as_str().unwrap()).collect();
    assert_eq!(last["completion"], joined.as_str());
    assert!(last["timings"]["ttft_ms"].as_f64().unwrap() > 0.0);
    let answered = matches!(last["outcome"].as_str(), Some("answered" | "forced"));
    assert_eq!(output.status.code(), Some(i32::from(!answered)));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn the_question_may_come_from_the_standard_input_and_the_bundle_from_the_environment() {
    let Some(bundle) = fixture() else { return };
    let completion = |output: &std::process::Output| {
        let last: Value = serde_json::from_str(text(&output.stdout).lines().last().unwrap()).unwrap();
        last["completion"].clone()
    };
    let expected = completion(&run(&["solve", path(&bundle), "1 + 1?", "--json"]));
    let named = pupil(&["solve", "1 + 1?", "--json"]).env("PUPIL_BUNDLE", &bundle).output().unwrap();
    assert_eq!(completion(&named), expected);
    let questions = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(questions.path(), "1 + 1?\n").unwrap();
    let piped = pupil(&["solve", path(&bundle), "-", "--json"]).stdin(questions.reopen().unwrap()).output().unwrap();
    assert_eq!(completion(&piped), expected);
    let listed = run(&["solve", path(&bundle), "--questions", path(questions.path()), "--json"]);
    assert_eq!(completion(&listed), expected);
}

#[test]
fn a_vote_is_one_line_of_json_and_prints_the_best_rationale() {
    let Some(_) = fixture() else { return };
    let bundle = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic");
    let question = "Take the last letters of each words in \"Ada Ben\" and concatenate them.";
    let output = run(&["solve", path(&bundle), question, "--votes", "5", "--json"]);
    let vote: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&vote["event"], &vote["answer"], &vote["asked"]), (&"voted".into(), &"an".into(), &5.into()));
    assert_eq!(output.status.code(), Some(0));
    let finished = vote["solutions"].as_array().unwrap().len();
    assert!((3..=5).contains(&finished), "{finished}");
    let output = run(&["solve", path(&bundle), question, "--votes", "5"]);
    assert!(text(&output.stdout).starts_with("  1 ") && text(&output.stdout).ends_with("Answer: an\n"));
    assert!(text(&output.stderr).contains(" for an"), "{}", text(&output.stderr));
}

#[test]
fn a_vote_without_sense_is_refused() {
    let Some(bundle) = fixture() else { return };
    for (arguments, expected) in [
        (&["--votes", "3", "--certainty", "0.3"][..], "request `certainty`: expected a probability above 0.5"),
        (&["--votes", "0"], "invalid value '0'"),
        (&["--certainty", "0.9"], "--votes <N>"),
    ] {
        let output = run(&[&["solve", path(&bundle), "1 + 1?"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[test]
fn verify_reports_in_json() {
    let Some(bundle) = fixture() else { return };
    let verified: Value = serde_json::from_slice(&run(&["verify", path(&bundle), "--json"]).stdout).unwrap();
    assert_eq!(verified["verified"], true);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let Some(bundle) = fixture() else { return };
    let mut child = pupil(&["solve", path(&bundle), "1 + 1?", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("prefilled"));
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(complaint, "");
    // Too fast to notice is fine; noticed must be a success.
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_cleanly() {
    let Some(bundle) = fixture() else { return };
    let questions = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(questions.path(), "1 + 1?\n".repeat(100_000)).unwrap();
    let mut child = pupil(&["solve", path(&bundle), "--questions", path(questions.path()), "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let last: Value = serde_json::from_str(&lines.map(Result::unwrap).last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["outcome"]), (&Value::from("finished"), &Value::from("cancelled")));
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
