//! `distill grade` and `distill filter` as a user runs them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The shared data, or `None`, said on standard error, where it is absent.
fn shared_data() -> Option<PathBuf> {
    let folder = std::env::var_os("PUPIL_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    if folder.exists() {
        return Some(folder);
    }
    let _ = writeln!(std::io::stderr(), "skipped: no folder `{}` (set PUPIL_DATA)", folder.display());
    None
}

fn distill(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_distill"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that stops at a bad row reads no further.
        let _ = pipe.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn grading_cases_are_reproduced_value_by_value() {
    let Some(data) = shared_data() else { return };
    let text = std::fs::read_to_string(data.join("grading_cases.jsonl")).unwrap();
    let mut checked = 0;
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let row = serde_json::json!({"completion": case["completion"], "n": 1, "answer": case["answer"]});
        let template = case["template"].as_str().unwrap_or("none");
        let task = case["dataset"].as_str().unwrap();
        let output = distill(&["grade", "--task", task, "--template", template, "-"], &row.to_string());
        assert!(output.status.success(), "{}", stderr(&output));
        let graded: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!((&graded["prediction"], &graded["correct"]), (&case["prediction"], &case["correct"]), "{line}");
        let keys: Vec<&String> = graded.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["completion", "n", "answer", "prediction", "correct"]);
        checked += 1;
    }
    assert_eq!(checked, 27);
}

#[test]
fn recorded_teachers_have_their_published_accuracies() {
    let Some(data) = shared_data() else { return };
    let published = [
        ("single_eq", "81.50"),
        ("addsub", "76.71"),
        ("multiarith", "78.79"),
        ("svamp", "64.20"),
        ("tracking_shuffled_objects", "53.20"),
        ("last_letter_concatenation", "57.71"),
        ("coin_flip", "90.04"),
    ];
    for (task, percent) in published {
        let file = data.join(format!("teacher/text-davinci-002.{task}.jsonl"));
        let output = distill(&["grade", "--task", task, file.to_str().unwrap()], "");
        assert!(stderr(&output).contains(&format!("accuracy {percent} % [")), "{task}: {}", stderr(&output));
        let rows = std::fs::read_to_string(&file).unwrap();
        assert_eq!(stdout(&output).lines().count(), rows.lines().count());
        for (graded, row) in stdout(&output).lines().zip(rows.lines()).take(5) {
            let (graded, row): (Value, Value) =
                (serde_json::from_str(graded).unwrap(), serde_json::from_str(row).unwrap());
            assert_eq!(graded["completion"], row["prediction"], "the graded text is kept");
            assert_eq!(graded["rationale"], row["rationale"]);
        }
    }
}

#[test]
fn a_bad_row_ends_with_2_or_is_counted() {
    let rows = "{\"completion\":\"5\",\"answer\":\"5\"}\n{\"completion\":5}\n{\"completion\":\"6\",\"answer\":\"5\"}\n";
    let output = distill(&["grade", "--task", "svamp", "-"], rows);
    assert_eq!(output.status.code(), Some(2));
    let message = "error: `-`, line 2: key `completion`: expected a text, found the number 5";
    assert!(stderr(&output).contains(message), "{}", stderr(&output));
    let output = distill(&["grade", "--task", "svamp", "--skip-bad", "-"], rows);
    assert_eq!((output.status.code(), stdout(&output).lines().count()), (Some(0), 2));
    assert!(stderr(&output).contains("skipped 1 bad rows, the first on line 2"), "{}", stderr(&output));
    assert!(stderr(&output).contains("graded 2 rows: accuracy 50.00 % ["), "{}", stderr(&output));
    for (arguments, part) in [
        (&["grade", "--task", "sums", "-"][..], "unknown task"),
        (&["grade", "--task", "svamp", "nowhere.jsonl"], "nowhere.jsonl"),
        (&["grade", "--task", "svamp", "--grader", "strict", "-"], "strict"),
    ] {
        let output = distill(arguments, rows);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
}

const EXPERIMENT: &str = r#"
name = "filtered"
source = [{ teacher = "recorded", data = "svamp.jsonl", split = "split.json:train", completions = "teacher.svamp.jsonl", degree = 4 }]
contract = { prompt = "Q: {question}\nA:", answer_marker = " --> ", step_rule = "line", answer = { kind = "number" }, grader = "published", budgets = { rationale_tokens = 99, answer_tokens = 9 } }
tokenizer = { merges = 300 }
student = { hidden_size = 32, intermediate_size = 64, layers = 1, heads = 2, context_tokens = 256 }
train = { steps = 1 }
"#;

/// Two questions, four completions of the first, one of the second.
fn write_inputs(folder: &Path) {
    let questions =
        ["Ann has 2 apples and gets 3. How many has she?", "Bob has 4 pears and eats 1. How many are left?"];
    let completions = [
        (0, "She has 2 + 3 = 5 apples.", "5"),
        (0, "She has 2 + 3 = 5 apples.", "5"),
        (0, "She has 2 + 3 = 6 apples, so 5.", "5"),
        (0, "She has 2 + 3 = 6 apples.", "6"),
        (1, "He has 4 - 1 = 3 pears.", "3"),
    ];
    let mut data = String::new();
    for (id, (question, answer)) in questions.iter().zip(["5.0", "3.0"]).enumerate() {
        data += &(serde_json::json!({"id": id, "question": question, "answer": answer}).to_string() + "\n");
    }
    let mut rows = String::new();
    let mut indices = [0, 0];
    for (id, rationale, prediction) in completions {
        let row = serde_json::json!({"dataset": "svamp", "sample_index": id, "completion_index": indices[id],
            "question": questions[id], "answer": (["5.0", "3.0"][id]), "prompt": null, "rationale": rationale,
            "prediction": prediction});
        rows += &(row.to_string() + "\n");
        indices[id] += 1;
    }
    std::fs::write(folder.join("svamp.jsonl"), data).unwrap();
    std::fs::write(folder.join("teacher.svamp.jsonl"), rows).unwrap();
    std::fs::write(folder.join("split.json"), "{\"train\": [0, 1]}").unwrap();
}

#[test]
fn filters_run_again_explain_and_list_until_samples_depend_on_them() {
    let folder = tempfile::tempdir().unwrap();
    write_inputs(folder.path());
    let experiment = folder.path().join("experiment.toml");
    let runs = folder.path().join("runs");
    let write = |filter: &str| std::fs::write(&experiment, format!("{EXPERIMENT}{filter}")).unwrap();
    let run = |stage: &str, more: &[&str]| {
        let plain = [stage, experiment.to_str().unwrap(), "--runs", runs.to_str().unwrap()];
        distill(&[&plain, more].concat(), "")
    };
    let kept = |name: &str| std::fs::read_to_string(runs.join(name).join("kept.jsonl")).unwrap().lines().count();

    write("");
    assert!(run("teach", &[]).status.success());
    let early = run("filter", &["--rejected"]);
    assert!(stderr(&early).contains("expected verdicts, found none"), "{}", stderr(&early));
    let output = run("filter", &[]);
    assert!(stderr(&output).contains("kept 4, no_answer 0, wrong_answer 1"), "{}", stderr(&output));

    write("filter = { criteria = [\"rationale\", \"answer\", \"exact_duplicate\", \"arithmetic\"] }\n");
    let output = run("filter", &[]);
    assert!(stderr(&output).contains("judging again: `criteria`"), "{}", stderr(&output));
    assert_eq!(kept("filtered"), 2);
    let listed = "svamp/0#1\texact_duplicate\texact duplicate of #0\n\
                  svamp/0#2\twrong_arithmetic\twrong arithmetic `2 + 3 = 6`\n\
                  svamp/0#3\twrong_answer\twrong answer `6`\n";
    assert_eq!(stdout(&run("filter", &["--rejected"])), listed);
    assert_eq!(stdout(&run("filter", &["--rejected", "wrong_answer"])).lines().count(), 1);
    assert!(stderr(&run("filter", &["--rejected", "bad"])).contains("unknown reason"));

    let explained = stdout(&run("filter", &["--explain", "svamp/0#2"]));
    for part in
        ["question: Ann has", "gold: `5.0`", "equation: 2 + 3 = 6 (WRONG)", "REJECTS: wrong arithmetic", "rejected"]
    {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    let duplicate = stdout(&run("filter", &["--explain", "svamp/0#1"]));
    assert!(duplicate.contains("REJECTS: exact duplicate of #0"), "{duplicate}");
    assert_eq!(run("filter", &["--explain", "svamp/9#0"]).status.code(), Some(2));

    assert!(run("samples", &[]).status.success());
    write("filter = { criteria = [\"rationale\"], report = [\"answer\", \"arithmetic\"] }\n");
    let refused = run("filter", &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--rationales-of"), "{}", stderr(&refused));
    let own = run("filter", &["--name", "own", "--rationales-of", "filtered"]);
    assert!(stderr(&own).contains("kept 5"), "{}", stderr(&own));
    assert!(stderr(&own).contains("kept_with_wrong_answer 1, kept_with_wrong_arithmetic 2"), "{}", stderr(&own));
    assert_eq!((kept("filtered"), kept("own")), (2, 5));
    assert!(run("filter", &["--again"]).status.success());
    assert_eq!(kept("filtered"), 5);
    assert!(!runs.join("filtered/samples.stage.toml").exists());
    std::fs::create_dir(runs.join("filtered/train")).unwrap();
    let refused = run("filter", &["--again"]);
    assert!(stderr(&refused).contains("expected a run without training"), "{}", stderr(&refused));
}

#[test]
fn wrong_arithmetic_can_weigh_instead() {
    let folder = tempfile::tempdir().unwrap();
    write_inputs(folder.path());
    let experiment = folder.path().join("experiment.toml");
    let runs = folder.path().join("runs");
    let write = |filter: &str| std::fs::write(&experiment, format!("{EXPERIMENT}{filter}")).unwrap();
    let run = |stage: &str, more: &[&str]| {
        let plain = [stage, experiment.to_str().unwrap(), "--runs", runs.to_str().unwrap()];
        distill(&[&plain, more].concat(), "")
    };
    let file = |run: &str, name: &str| std::fs::read_to_string(runs.join(run).join(name)).unwrap();
    for (weight, found) in [("0.0", "0"), ("-1", "-1"), ("1.5", "1.5"), ("\"half\"", "half")] {
        write(&format!("filter = {{ weigh = [{{ criterion = \"arithmetic\", weight = {weight} }}] }}\n"));
        let refused = run("filter", &[]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains("weight") && stderr(&refused).contains(found), "{}", stderr(&refused));
    }
    assert!(!runs.exists(), "nothing is written");

    write("filter = { weigh = [{ criterion = \"arithmetic\", weight = 0.25 }] }\n");
    assert!(run("teach", &[]).status.success());
    let output = run("filter", &[]);
    let said =
        "down_weighted 1, empty_rationale 0, kept 4, no_answer 0, weighed_for_wrong_arithmetic 1, wrong_answer 1";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
    let explained = stdout(&run("filter", &["--explain", "svamp/0#2"]));
    assert!(explained.contains("arithmetic  weighs 0.25: wrong arithmetic `2 + 3 = 6`"), "{explained}");
    assert!(explained.contains("verdict: kept with weight 0.25"), "{explained}");
    let status = stdout(&distill(&["status", runs.join("filtered").to_str().unwrap()], ""));
    assert!(status.contains("verdicts: kept 3, kept_with_less_weight 1, wrong_answer 1"), "{status}");

    let shown = stdout(&run("samples", &["--show", "9"]));
    let heads: Vec<&str> = shown.lines().filter(|line| line.starts_with("──")).collect();
    assert_eq!(heads.len(), 4);
    let is_light: Vec<bool> = heads.iter().map(|head| head.ends_with("learned, weight 0.25)")).collect();
    assert_eq!(is_light, [false, false, true, false], "{heads:?}");
    let light: Vec<bool> =
        file("filtered", "samples.jsonl").lines().map(|line| line.ends_with(",\"weight\":0.25}")).collect();
    assert_eq!(light, is_light);
    let arguments = ["rationales", "export", experiment.to_str().unwrap(), "--runs", runs.to_str().unwrap()];
    let exported = stdout(&distill(&[&arguments[..], &["--format", "prompt-completion"]].concat(), ""));
    assert_eq!(exported.matches("\"weight\":0.25}").count(), 1, "{exported}");
    assert_eq!(exported.matches("\"weight\"").count(), 1, "{exported}");

    // A weight of 1 is the same as none, byte for byte; another weight is another run.
    let taken = |name| run("samples", &["--name", name]).status.success();
    write("filter = { weigh = [{ criterion = \"arithmetic\", weight = 1.0 }] }\n");
    assert!(taken("full"));
    write("");
    assert!(taken("plain"));
    for name in ["kept.jsonl", "samples.jsonl", "samples.stage.toml", "tokenizer.json"] {
        assert_eq!(file("full", name), file("plain", name), "{name}");
    }
    assert!(!file("plain", "filter.stage.toml").contains("weigh"));
    write("filter = { weigh = [{ criterion = \"arithmetic\", weight = 0.5 }] }\n");
    let refused = run("samples", &["--name", "filtered"]);
    assert!(stderr(&refused).contains("`weigh`"), "{}", stderr(&refused));
}
