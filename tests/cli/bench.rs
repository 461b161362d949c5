//! `pupil bench`: a row a measurement with the digest of what was answered, and comparisons that see unequal work.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bundles::fixture;
use crate::{path, run, text};

/// Short prompts, since the smallest bundle has a short context, and as few runs as show a spread.
const SMALL: [&str; 6] = ["--prompts=8,32", "--depths=16", "--tokens=4", "--runs=2", "--threads=1", "--warm-up=0"];

fn rows(bundle: &Path, more: &[&str]) -> Vec<Value> {
    let output = run(&[["bench", path(bundle), "--json"].as_slice(), &SMALL, more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn find<'r>(rows: &'r [Value], measurement: &str) -> Vec<&'r Value> {
    rows.iter().filter(|row| row["measurement"] == measurement).collect()
}

#[test]
fn every_measurement_is_a_row_with_its_conditions() {
    let Some(bundle) = fixture() else { return };
    let rows = rows(&bundle, &["--soak=1"]);
    let kinds: BTreeSet<&str> = rows.iter().map(|row| row["measurement"].as_str().unwrap()).collect();
    for expected in [
        "bandwidth",
        "step-bytes",
        "ceiling",
        "warm-load",
        "warm-first-token",
        "time-to-first-token",
        "time-per-output-token",
        "prefill",
        "decode",
        "inter-token-p50",
        "inter-token-p99",
        "ceiling-share",
        "process-first-token",
        "soak-window",
        "soak-drift",
    ] {
        assert!(kinds.contains(expected), "{expected}: {kinds:?}");
    }
    for row in &rows {
        assert_eq!(row["threads"], 1);
        assert!(row["bundle_digest"].as_str().unwrap().starts_with("sha256:"));
        assert!(!row["cpu"].as_str().unwrap().is_empty() && !row["onnxruntime"].as_str().unwrap().is_empty());
        let figure = |name: &str| row[name].as_f64().unwrap();
        assert!(figure("least") <= figure("median") && figure("median") <= figure("most"), "{row}");
        let machine = ["bandwidth", "step-bytes", "ceiling", "frequency", "temperature"];
        let answers = !machine.contains(&row["measurement"].as_str().unwrap());
        assert_eq!(row["answer"].is_string(), answers, "{row}");
    }
    let lengths: Vec<u64> = find(&rows, "prefill").iter().map(|row| row["prompt_tokens"].as_u64().unwrap()).collect();
    assert_eq!(lengths, [8, 32]);
    let decode = find(&rows, "decode")[0];
    assert_eq!((&decode["prompt_tokens"], &decode["tokens"]), (&16.into(), &4.into()));
    assert_eq!(decode["runs"].as_array().unwrap().len(), 2);
    // From its definition: the rate over bandwidth divided by the bytes of a step.
    let ceiling = find(&rows, "ceiling")[0]["median"].as_f64().unwrap();
    let share = find(&rows, "ceiling-share")[0]["median"].as_f64().unwrap();
    assert!((share - decode["median"].as_f64().unwrap() / ceiling * 100.0).abs() < 1e-6 * share);
    if cfg!(target_os = "linux") {
        let memory = |measurement: &str| find(&rows, measurement)[0]["median"].as_f64().unwrap();
        assert!(memory("anonymous") > 0.0 && memory("peak") >= memory("anonymous"), "{kinds:?}");
    }
}

#[test]
fn equal_work_has_equal_digests_and_is_compared() {
    let Some(bundle) = fixture() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("a.json"), folder.path().join("b.json"));
    for file in [&before, &after] {
        let lines: Vec<String> = rows(&bundle, &[]).iter().map(Value::to_string).collect();
        fs::write(file, lines.join("\n")).unwrap();
    }
    let output = run(&["bench", "--compare", path(&before), path(&after)]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains("decode, 16 + 4 tokens") && printed.contains("95 % interval"), "{printed}");
    assert!(!printed.contains("DIFFERENT"), "{printed}");

    let changed = fs::read_to_string(&after).unwrap();
    let row: Value = serde_json::from_str(changed.lines().find(|line| line.contains("\"decode\"")).unwrap()).unwrap();
    let other = "sha256:".to_owned() + &"0".repeat(64);
    fs::write(&after, changed.replace(row["answer"].as_str().unwrap(), &other)).unwrap();
    let output = run(&["bench", "--compare", path(&before), path(&after)]);
    assert_eq!(output.status.code(), Some(1), "a comparison of unequal work does not pass");
    assert!(text(&output.stderr).contains("DIFFERENT WORK"), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("DIFFERENT: "));
}

#[test]
fn table_csv_and_page_show_the_same_measurements() {
    let Some(bundle) = fixture() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("bench.html");
    let command = [["bench", path(&bundle), "--csv", "--html", path(&page)].as_slice(), &SMALL].concat();
    let output = run(&command);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let csv = text(&output.stdout);
    let columns = csv.lines().next().unwrap().split(',').count();
    assert_eq!(columns, 30);
    let page = fs::read_to_string(page).unwrap();
    assert_eq!(page.matches("<tr>").count(), csv.lines().count(), "a heading and a row a measurement in both");
    assert!(page.contains("<svg") && !page.contains("<script") && !page.contains("http"));

    let output = run(&[["bench", path(&bundle)].as_slice(), &SMALL].concat());
    let table = text(&output.stdout);
    for heading in ["ceiling", "load", "question", "prefill", "decode", "fresh process"] {
        assert!(table.lines().any(|line| line == heading), "{heading}: {table}");
    }
}

#[test]
fn lengths_that_do_not_fit_are_said_not_shortened() {
    let Some(bundle) = fixture() else { return };
    let arguments = ["bench", path(&bundle), "--json", "--prompts=8", "--depths=100000", "--tokens=4", "--runs=1"];
    let output = run(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stderr);
    assert!(printed.contains("note: 100000 + 4 tokens were not measured"), "{printed}");
    assert!(!text(&output.stdout).contains("\"decode\""));
}

#[test]
fn what_cannot_be_compared_or_soaked_is_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    fs::write(&file, "not a row\n").unwrap();
    for (arguments, expected) in [
        (vec!["bench", "--compare", path(&file), path(&file)], "line 1: expected a row of `pupil bench --json`"),
        (vec!["bench", "--compare", "absent.json", path(&file)], "error: cannot read `absent.json`"),
        (vec!["bench", "--soak", "5 minutes"], "error: `--soak`: expected a time up to 24h, found `5 minutes`"),
    ] {
        // The default bundle is not needed to see that the options are wrong.
        let output = crate::pupil(&arguments).env("PUPIL_BUNDLE", folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
    }
}
