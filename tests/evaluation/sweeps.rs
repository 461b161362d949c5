//! `sweep`.

use std::fs;

use serde_json::Value;

use crate::{Bench, student, text};

const EXPERIMENT: &str = r#"name = "swept"

[contract]
prompt = "Q: {question}\nA:"
answer_marker = "\nThe answer is "
step_rule = "line"
answer = { kind = "text" }
grader = "robust"
budgets = { rationale_tokens = 24, answer_tokens = 8 }

[[source]]
teacher = "program"
task = "coin_flip"
questions = 80
items = [1, 2]

[tokenizer]
frequent_words = 0.1

[student]
hidden_size = 32
intermediate_size = 64
layers = 1
heads = 2
context_tokens = 192

[train]
steps = 3

[sweep]
"source.0.exclude" = ["none.txt", "absent.txt"]
training_rationales = [8, 9]
"#;

#[test]
fn a_variant_that_fails_does_not_stop_the_others() {
    let bench = Bench::new();
    fs::write(bench.path("sweep.toml"), EXPERIMENT).unwrap();
    fs::write(bench.path("none.txt"), "# Nothing is excluded.\n").unwrap();
    let names = bench.printed(&["sweep", "sweep.toml", "--dry-run"]);
    let names: Vec<&str> = names.lines().collect();
    assert_eq!(names.len(), 4);
    assert!(!bench.path("runs").exists(), "a dry run writes nothing");

    let output = bench.distill(&["sweep", "sweep.toml", "--until", "samples", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report, bench.json("runs/swept/sweep.json"));
    for (variant, name) in report["variants"].as_array().unwrap().iter().zip(&names) {
        assert_eq!(variant["name"], *name);
        let reads = variant["values"]["source.0.exclude"] == "none.txt";
        assert_eq!(variant["state"], if reads { "done" } else { "failed" });
        assert_eq!(variant["error"].as_str().is_some_and(|error| error.contains("absent.txt")), !reads, "{variant}");
        let samples = bench.path(&format!("runs/swept/{name}/samples.jsonl"));
        let lines = fs::read_to_string(samples).map_or(0, |text| text.lines().count());
        assert_eq!(lines as u64, if reads { variant["values"]["training_rationales"].as_u64().unwrap() } else { 0 });
    }

    fs::write(bench.path("absent.txt"), "# Nothing is excluded.\n").unwrap();
    let chosen = names.iter().find(|name| name.contains("absent")).unwrap();
    let output = bench.distill(&["sweep", "sweep.toml", "--until", "samples", "--only", chosen]);
    let printed = text(&output.stderr);
    assert!(output.status.success() && printed.matches("note: variant").count() == 1, "{printed}");
    let output = bench.distill(&["sweep", "sweep.toml", "--until", "samples"]);
    assert_eq!(text(&output.stderr).matches("(done before)").count(), 3 * 3, "three variants were done before");
}

#[test]
fn methods_are_swept_over_one_student() {
    let bench = Bench::new();
    let text = format!(
        "name = \"methods\"\nmethod = \"random\"\nstudent = {{ bundle = \"{}\" }}\neval = [{{ data = \"coin_flip.jsonl\" }}]\n\
         [sweep]\nmethod = [\"random\", \"trained\"]\n",
        student()
    );
    fs::write(bench.path("sweep.toml"), text).unwrap();
    let report: Value = serde_json::from_str(&bench.printed(&["sweep", "sweep.toml", "--json"])).unwrap();
    assert_eq!(report["variants"][0]["evals"]["coin_flip"]["accuracy"], 0.5);
    assert_eq!(report["variants"][1]["evals"]["coin_flip"]["method"], "fine_tune_cot");
}

#[test]
fn what_is_no_sweep_or_no_variant_is_refused() {
    let bench = Bench::new();
    fs::write(bench.path("sweep.toml"), EXPERIMENT).unwrap();
    let refused = |arguments: &[&str], named: &str| {
        let output = bench.distill(arguments);
        let printed = text(&output.stderr);
        assert!(output.status.code() == Some(2) && printed.contains(named), "{arguments:?}: {printed}");
    };
    refused(&["run", "sweep.toml"], "hint: `distill sweep` runs every variant");
    refused(&["sweep", "sweep.toml", "--only", "seed-1"], "found `seed-1`");
    fs::write(bench.path("plain.toml"), EXPERIMENT.split("[sweep]").next().unwrap()).unwrap();
    refused(&["sweep", "plain.toml"], "`sweep`: expected a table of lists, found nothing");
    assert!(!bench.path("runs").exists());
}
