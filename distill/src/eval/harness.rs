//! Results and samples in the form of lm-evaluation-harness 0.4, for tools that read `results_*.json` and `samples_*.jsonl`.

use pupil_models::digest::Digest;
use serde_json::{Map, Value, json};

use super::{EvalReport, Evaluated, GradedCompletion};
use crate::dataset::Example;

/// Version of our task definitions, as the harness counts them.
const TASK_VERSION: f64 = 1.0;

/// What a result is about, beside its numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subject {
    /// The student: a bundle's name, or the like.
    pub model: String,
    /// The dataset's file.
    pub data: String,
    /// The split's name, if it is not the whole dataset.
    pub split: Option<String>,
    /// The prompt's template, with `{question}`; a first step's for methods of two.
    pub prompt: String,
    /// Exemplars before the question.
    pub shots: usize,
    /// Most tokens of a completion.
    pub completion_tokens: usize,
    /// Texts that end a completion.
    pub stops: Vec<String>,
}

/// The text of `results_*.json`.
#[must_use]
pub fn results(subject: &Subject, report: &EvalReport) -> String {
    let task = &report.task;
    // The harness's word for a metric without one.
    let error = standard_error(report).map_or_else(|| json!("N/A"), |error| json!(error));
    let about = |value: Value| Value::Object(Map::from_iter([(task.clone(), value)]));
    let file = json!({
        "results": about(json!({
            "alias": task,
            "exact_match,none": report.accuracy,
            "exact_match_stderr,none": error,
            "acc,none": report.accuracy,
            "acc_stderr,none": error,
            "format_rate,none": report.format_rate,
            "completeness,none": report.completeness,
        })),
        "group_subtasks": about(json!([])),
        "configs": about(config(subject, report)),
        "versions": about(json!(TASK_VERSION)),
        "n-shot": about(json!(subject.shots)),
        "higher_is_better": about(json!({
            "exact_match": true, "acc": true, "format_rate": true, "completeness": true,
        })),
        "n-samples": about(json!({"original": report.n, "effective": report.n})),
        "config": {
            "model": "pupil",
            "model_args": format!("pretrained={},method={}", subject.model, report.method),
            "batch_size": 1, "device": "cpu", "use_cache": null, "limit": null, "bootstrap_iters": 0, "gen_kwargs": null,
        },
        "git_hash": null,
        "model_source": "pupil",
        "model_name": subject.model,
        "model_name_sanitized": subject.model.replace(|character: char| !character.is_alphanumeric(), "_"),
    });
    format!("{file:#}\n")
}

fn config(subject: &Subject, report: &EvalReport) -> Value {
    json!({
        "task": report.task,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": subject.data},
        "test_split": subject.split,
        "doc_to_text": subject.prompt.replace("{question}", "{{question}}"),
        "doc_to_target": "{{answer}}",
        "num_fewshot": subject.shots,
        "output_type": "generate_until",
        "generation_kwargs": arguments(subject),
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": true}],
        "repeats": 1,
        "metadata": {"version": TASK_VERSION, "method": report.method, "grader": report.grader},
    })
}

fn arguments(subject: &Subject) -> Value {
    json!({"until": subject.stops, "do_sample": false, "max_gen_toks": subject.completion_tokens})
}

/// Of a mean of zeros and ones, with the sample's variance, as the harness computes it; `None` where it has none.
fn standard_error(report: &EvalReport) -> Option<f64> {
    let n = report.n as f64;
    // Guessing is computed, not sampled.
    let is_sampled = report.n > 1 && report.method != "random";
    is_sampled.then(|| (report.accuracy * (1.0 - report.accuracy) / (n - 1.0)).sqrt())
}

/// The text of `samples_*.jsonl`: one graded completion a line. `examples` are those that were answered, in their order.
#[must_use]
pub fn samples(subject: &Subject, examples: &[Example], (_, graded): &Evaluated) -> String {
    let lines = examples.iter().zip(graded).zip(0..).map(|((example, graded), number)| {
        let line = sample(subject, number, example, graded);
        format!("{line}\n")
    });
    lines.collect()
}

fn sample(subject: &Subject, number: u64, example: &Example, graded: &GradedCompletion) -> Value {
    let doc = json!({"id": example.id, "question": example.question, "answer": example.gold});
    let prediction = graded.prediction.as_ref().map_or("", |answer| answer.text());
    json!({
        "doc_id": number,
        "doc_hash": hash(&format!("{doc:#}")),
        "prompt_hash": hash(&graded.prompt),
        "target_hash": hash(&example.gold),
        "doc": doc,
        "target": example.gold,
        "arguments": {"gen_args_0": {"arg_0": graded.prompt, "arg_1": arguments(subject)}},
        "resps": [[graded.completion]],
        "filtered_resps": [prediction],
        "filter": "none",
        "metrics": ["exact_match", "acc"],
        "exact_match": f64::from(u8::from(graded.correct)),
        "acc": f64::from(u8::from(graded.correct)),
    })
}

fn hash(text: &str) -> String {
    let digest = Digest::of(text.as_bytes()).to_string();
    digest.strip_prefix("sha256:").unwrap_or(&digest).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Grading;
    use pupil_models::answer::{AnswerKind, Grader};
    use pupil_runtime::Outcome;

    fn evaluated() -> (Vec<Example>, Evaluated) {
        let examples: Vec<Example> =
            (0..4).map(|number: u8| Example::new("coin_flip", &number.to_string(), "heads?", "yes")).collect();
        let graded = |(example, correct): (&Example, bool)| GradedCompletion {
            id: example.id.clone(),
            prompt: "Q: heads?".to_owned(),
            rationale: None,
            completion: " yes".to_owned(),
            prediction: None,
            gold: example.gold.clone(),
            correct,
            contains_answer: correct,
            has_marker: true,
            complete: true,
            outcome: Outcome::Answered,
            tokens: 2,
        };
        let graded: Vec<_> = examples.iter().zip([true, false, false, false]).map(graded).collect();
        let grading = Grading { grader: Grader::Published, kind: AnswerKind::YesNo, marker: None };
        let report = grading.report("zero_shot", &examples, &graded);
        (examples, (report, graded))
    }

    #[test]
    fn results_have_the_harness_s_keys_and_standard_error() {
        let (_, (report, _)) = evaluated();
        let subject = Subject { model: "my/student".to_owned(), ..Subject::default() };
        let file: Value = serde_json::from_str(&results(&subject, &report)).unwrap();
        let numbers = &file["results"]["coin_flip"];
        assert_eq!(numbers["exact_match,none"], 0.25);
        // numpy.std([1, 0, 0, 0], ddof=1) / 2
        assert!((numbers["exact_match_stderr,none"].as_f64().unwrap() - 0.25).abs() < 1e-12);
        let guessed = EvalReport { method: "random".to_owned(), ..report };
        let guessed: Value = serde_json::from_str(&results(&subject, &guessed)).unwrap();
        assert_eq!(guessed["results"]["coin_flip"]["acc_stderr,none"], "N/A");
        assert_eq!(file["n-samples"]["coin_flip"], json!({"original": 4, "effective": 4}));
        assert_eq!(file["config"]["model_args"], "pretrained=my/student,method=zero_shot");
        assert_eq!(file["model_name_sanitized"], "my_student");
        for key in ["configs", "versions", "n-shot", "higher_is_better", "group_subtasks"] {
            assert!(!file[key]["coin_flip"].is_null(), "{key}");
        }
    }

    #[test]
    fn every_sample_has_its_prompt_and_its_score() {
        let (examples, evaluated) = evaluated();
        let text = samples(&Subject::default(), &examples, &evaluated);
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            rows.iter().map(|row| row["exact_match"].as_f64().unwrap()).collect::<Vec<_>>(),
            [1.0, 0.0, 0.0, 0.0]
        );
        assert_eq!(rows[1]["arguments"]["gen_args_0"]["arg_0"], "Q: heads?");
        // hashlib.sha256(b"yes").hexdigest()
        assert_eq!(rows[0]["target_hash"], "8a798890fe93817163b10b5f7bd2ca4d25d84c52739a645a889c173eee7d9d3d");
    }
}
