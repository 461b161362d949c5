//! Wrong arithmetic as a weight, from the teacher's words to the student's weights.

use std::fs;

use pupil_distill::train::MetricRow;

use crate::micro::{Micro, succeeded};

/// Questions; every third is answered by way of a wrong equation.
const QUESTIONS: usize = 60;

/// Replaces the micro experiment's teachers by one whose completions are recorded, and its criteria by `filter`.
fn write_recorded(micro: &Micro, name: &str, filter: &str) {
    let (mut data, mut rows) = (String::new(), String::new());
    for id in 0..QUESTIONS {
        let (left, right) = (id % 7 + 2, id / 7 + 1);
        let (sum, question) = (left + right, format!("What is {left} plus {right} in row {id}?"));
        let said = sum + usize::from(id % 3 == 0);
        data += &(serde_json::json!({"id": id, "question": question, "answer": sum.to_string()}).to_string() + "\n");
        rows +=
            &(serde_json::json!({"dataset": "svamp", "sample_index": id, "completion_index": 0, "question": question,
            "answer": sum.to_string(), "prompt": null, "rationale": format!("{left} + {right} = {said}."),
            "prediction": sum.to_string()})
            .to_string()
                + "\n");
    }
    fs::write(micro.path("svamp.jsonl"), data).unwrap();
    fs::write(micro.path("teacher.svamp.jsonl"), rows).unwrap();
    let train: Vec<usize> = (0..QUESTIONS).collect();
    fs::write(micro.path("svamp.split.json"), serde_json::json!({"train": train}).to_string()).unwrap();
    let text = fs::read_to_string(micro.path("experiment.toml")).unwrap();
    let (head, rest) = text.split_once("[[source]]").unwrap();
    let (_, rest) = rest.split_once("[tokenizer]").unwrap();
    let (student, _) = rest.split_once("[[eval]]").unwrap();
    let head = head.replace("micro", name).replace("\"text\"", "\"number\"");
    let student = student.replace("curriculum = [{ steps = 7, task = \"last_letter_concatenation\" }]\n", "");
    let source = "[[source]]\nteacher = \"recorded\"\ndata = \"svamp.jsonl\"\nsplit = \"svamp.split.json:train\"\n\
                  completions = \"teacher.svamp.jsonl\"\ndegree = 1\n";
    fs::write(micro.path(&format!("{name}.toml")), format!("{head}{source}\n[filter]\n{filter}\n[tokenizer]{student}"))
        .unwrap();
}

#[test]
fn weights_go_from_the_verdict_to_the_training() {
    let micro = Micro::new();
    let weigh = |weight: &str| format!("weigh = [{{ criterion = \"arithmetic\", weight = {weight} }}]\n");
    let log = |name: &str, filter: &str| {
        write_recorded(&micro, name, filter);
        let said = succeeded(&micro.distill(&["train", &format!("{name}.toml")]).output().unwrap());
        let file = |path: &str| fs::read(micro.path(&format!("runs/{name}/{path}"))).unwrap();
        let metrics = String::from_utf8(file("train/metrics.jsonl")).unwrap();
        let first: MetricRow = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
        (said, first, file("checkpoint/model.safetensors"), file("train/metrics.jsonl"))
    };
    let (said, light, lighter, _) = log("light", &weigh("0.125"));
    assert!(
        said.contains("down_weighted 20, empty_rationale 0, kept 60, no_answer 0, weighed_for_wrong_arithmetic 20"),
        "{said}"
    );
    let (said, plain, weights, metrics) = log("plain", "");
    assert!(!said.contains("weighed_for"), "{said}");
    let (_, _, same_weights, same_metrics) = log("full", &weigh("1.0"));
    assert!(weights == same_weights && metrics == same_metrics, "a weight of 1 changes nothing");
    // The first step is that of the same batches from the same random weights: all that differs is what counts.
    assert_eq!(light.target_tokens, plain.target_tokens);
    assert!(light.loss.to_bits() != plain.loss.to_bits() && weights != lighter);
}
