//! Prompting methods: `compare`, and experiment files that train nothing.

use std::fs;

use serde_json::Value;

use crate::{Bench, QUESTIONS, student, text};

fn compare(bench: &Bench, data: &str) -> Value {
    let printed = bench.printed(&[
        "compare",
        "--student",
        &student(),
        "--data",
        data,
        "--exemplars",
        "exemplars.json",
        "--out",
        "out",
        "--json",
        "--completion-tokens",
        "64",
    ]);
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn every_method_is_measured_once_and_compared_with_every_other() {
    let bench = Bench::new();
    let result = compare(&bench, "coin_flip.jsonl");
    let methods: Vec<&str> =
        result["methods"].as_array().unwrap().iter().map(|method| method["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["random", "zero_shot", "zero_shot_cot", "few_shot_cot", "trained"]);
    let accuracy = |place: usize| result["methods"][place]["report"]["accuracy"].as_f64().unwrap();
    assert!((accuracy(0) - 0.5).abs() < 1e-12, "one of two answers");
    assert!(accuracy(4) > 0.9, "the shipped student solves these: {}", accuracy(4));
    assert_eq!(result["methods"][4]["report"]["method"], "fine_tune_cot");
    // Guessing wrote nothing that could be compared.
    let pairs = result["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 6);
    for pair in pairs {
        let sum: u64 =
            ["both", "first_only", "second_only", "neither"].map(|key| pair[key].as_u64().unwrap()).iter().sum();
        assert_eq!(sum, QUESTIONS as u64);
        assert!((0.0..=1.0).contains(&pair["p_value"].as_f64().unwrap()));
    }
    let before = fs::metadata(bench.path("out/few_shot_cot/eval-coin_flip.json")).unwrap().modified().unwrap();
    assert_eq!(compare(&bench, "coin_flip.jsonl"), result);
    let after = fs::metadata(bench.path("out/few_shot_cot/eval-coin_flip.json")).unwrap().modified().unwrap();
    assert_eq!(before, after, "what is done is passed over");
}

#[test]
fn prompts_are_the_published_ones_and_results_are_readable_by_other_tools() {
    let bench = Bench::new();
    compare(&bench, "coin_flip.jsonl");
    let dataset = fs::read_to_string(bench.path("coin_flip.jsonl")).unwrap();
    let first: Value = serde_json::from_str(dataset.lines().next().unwrap()).unwrap();
    let question = first["question"].as_str().unwrap();
    let sample = |method: &str| -> Value {
        let samples = fs::read_to_string(bench.path(&format!("out/{method}/samples_coin_flip.jsonl"))).unwrap();
        assert_eq!(samples.lines().count(), QUESTIONS);
        serde_json::from_str(samples.lines().next().unwrap()).unwrap()
    };
    let prompt = |method: &str| sample(method)["arguments"]["gen_args_0"]["arg_0"].as_str().unwrap().to_owned();
    assert_eq!(prompt("zero_shot"), format!("Q: {question}\n\nA:"));
    assert_eq!(prompt("few_shot_cot"), format!("{}\nQ: {question}\nA:", crate::EXEMPLAR));
    assert_eq!(sample("few_shot_cot")["arguments"]["gen_args_0"]["arg_1"]["until"], serde_json::json!(["Q:"]));
    let completions = fs::read_to_string(bench.path("out/zero_shot_cot/eval-coin_flip.completions.jsonl")).unwrap();
    let graded: Value = serde_json::from_str(completions.lines().next().unwrap()).unwrap();
    let rationale = graded["rationale"].as_str().unwrap();
    assert_eq!(
        prompt("zero_shot_cot"),
        format!("Q: {question}\nA: Let's think step by step.{rationale}\nTherefore, the answer is")
    );
    let results = bench.json("out/zero_shot/results_coin_flip.json");
    assert_eq!(
        results["results"]["coin_flip"]["exact_match,none"],
        bench.json("out/zero_shot/eval-coin_flip.json")["accuracy"]
    );
    assert_eq!(results["n-samples"]["coin_flip"]["effective"], QUESTIONS);
}

#[test]
fn a_method_that_does_not_fit_the_student_is_stated_and_the_others_go_on() {
    let bench = Bench::new();
    let result = compare(&bench, "doors.jsonl");
    let few_shot = &result["methods"][3];
    assert!(few_shot["error"].as_str().unwrap().contains("context of 512 tokens"), "{few_shot}");
    assert!(result["methods"][4]["report"]["n"] == QUESTIONS && result["pairs"].as_array().unwrap().len() == 3);
}

#[test]
fn a_checkpoint_is_exported_first() {
    let bench = Bench::new();
    let checkpoint = bench.path("checkpoint");
    fs::create_dir(&checkpoint).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(format!("{}-float32/{name}", student()), checkpoint.join(name)).unwrap();
    }
    let arguments =
        ["compare", "--student", "checkpoint", "--data", "coin_flip.jsonl", "--method", "zero-shot", "--out", "out"];
    let output = bench.distill(&arguments);
    let printed = text(&output.stderr);
    if cfg!(feature = "torch") {
        assert!(output.status.success() && bench.path("out/bundle/pupil.json").exists(), "{printed}");
    } else {
        assert_eq!(output.status.code(), Some(2), "{printed}");
        assert!(printed.contains("libtorch"), "{printed}");
    }
}

#[test]
fn a_method_is_one_experiment_file() {
    let bench = Bench::new();
    let experiment = |method: &str, rest: &str| {
        let text =
            format!("name = \"{method}\"\nmethod = \"{method}\"\n{rest}\n[[eval]]\ndata = \"coin_flip.jsonl\"\n");
        fs::write(bench.path("experiment.toml"), text).unwrap();
    };
    let bundle = format!("student = {{ bundle = \"{}\" }}", student());
    experiment("zero_shot", &bundle);
    bench.printed(&["run", "experiment.toml"]);
    assert_eq!(bench.json("runs/zero_shot/eval-coin_flip.json")["method"], "zero_shot");
    experiment("random", "");
    bench.printed(&["run", "experiment.toml"]);
    assert_eq!(bench.json("runs/random/eval-coin_flip.json")["accuracy"], 0.5);
    for (method, rest, named) in [
        ("few_shot_cot", bundle.as_str(), "`prompting.exemplars`"),
        ("zero_shot", "", "either `bundle` or `checkpoint`"),
        ("zero_shot", "train = { steps = 3 }", "unknown field `train`"),
        ("zeroshot", bundle.as_str(), "`zero_shot_cot`"),
        ("trained", "student = { checkpoint = \"checkpoint\" }", "`student.contract`"),
    ] {
        experiment(method, rest);
        let output = bench.distill(&["run", "experiment.toml"]);
        let printed = text(&output.stderr);
        assert!(output.status.code() == Some(2) && printed.contains(named), "{method} {rest}: {printed}");
    }
    experiment("zero_shot", &bundle);
    let output = bench.distill(&["teach", "experiment.toml"]);
    assert!(text(&output.stderr).contains("expected one that trains a student"), "{}", text(&output.stderr));
}
