//! An evaluation's files: `eval-NAME.json`, `eval-NAME.completions.jsonl`, `budgets-NAME.json`, `samples_NAME.jsonl`.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{entries, optional};
use crate::eval::PromptingMethod;
use crate::eval::budget::BudgetReport;
use crate::report::ReportError;

/// What the names of results by budget end in.
const BUDGETS: &str = ".budgets";

/// How a student did on the questions of one split.
#[derive(Clone, Debug)]
pub(in crate::report) struct Evaluation {
    /// The dataset's file stem and the split.
    pub(in crate::report) name: String,
    /// The file that says so.
    pub(in crate::report) file: String,
    /// Correct answers, in percent.
    pub(in crate::report) percent: f64,
    /// Its 95 % interval; what is computed, as the accuracy of guessing is, has none.
    pub(in crate::report) interval: Option<(f64, f64)>,
    /// Number of questions.
    pub(in crate::report) n: usize,
    /// Completions in which the student wrote the answer marker, or needed none, in percent.
    pub(in crate::report) format_percent: f64,
    /// Completions that the student itself ended, in percent.
    pub(in crate::report) complete_percent: f64,
    /// Completions in which the right answer stands anywhere, in percent, where it was counted.
    pub(in crate::report) contains_answer_percent: Option<f64>,
    /// Mean length of a completion in tokens, where it was counted.
    pub(in crate::report) mean_tokens: Option<f64>,
    /// Who graded, where it was written down.
    pub(in crate::report) grader: Option<String>,
    /// How the student was asked or taught, where it was written down.
    pub(in crate::report) method: Option<String>,
    /// The task's key, several joined by `+`, where it was written down.
    task: Option<String>,
    /// The completions, where they were kept.
    pub(in crate::report) graded: Vec<Graded>,
    /// Questions by the ids of their examples, where they were written down.
    pub(in crate::report) questions: HashMap<String, String>,
    /// Results with other budgets, where they were measured.
    pub(in crate::report) budgets: Vec<BudgetReport>,
}

/// One graded completion, as far as the report looks at it.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::report) struct Graded {
    /// Id of the example.
    pub(in crate::report) id: String,
    /// The rationale that the student wrote in a first step, where there was one.
    #[serde(default)]
    pub(in crate::report) rationale: Option<String>,
    /// What the student wrote.
    pub(in crate::report) completion: String,
    /// The answer extracted from it.
    pub(in crate::report) prediction: Option<serde_json::Value>,
    /// The dataset's answer.
    pub(in crate::report) gold: String,
    /// Whether they are equal.
    pub(in crate::report) correct: bool,
    /// Whether the student ended the completion.
    pub(in crate::report) complete: bool,
    /// Tokens of the completion.
    pub(in crate::report) tokens: usize,
}

#[derive(Deserialize)]
struct Summary {
    accuracy: f64,
    low: f64,
    high: f64,
    n: usize,
    format_rate: f64,
    completeness: f64,
    contains_answer: Option<f64>,
    mean_tokens: Option<f64>,
    task: Option<String>,
    method: Option<String>,
    grader: Option<String>,
}

/// A row of `samples_NAME.jsonl`, as far as the report looks at it.
#[derive(Deserialize)]
struct Asked {
    doc: Document,
}

#[derive(Deserialize)]
struct Document {
    id: String,
    question: String,
}

/// All evaluations of a run, by name.
pub(super) fn read_all(folder: &Path) -> Result<Vec<Evaluation>, ReportError> {
    let mut evaluations = Vec::new();
    for path in entries(folder)? {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = file.strip_prefix("eval-").and_then(|rest| rest.strip_suffix(".json"));
        if let Some(name) = name.filter(|name| !name.ends_with(BUDGETS)) {
            evaluations.push(read(folder, &path, name, file.clone())?);
        }
    }
    Ok(evaluations)
}

fn read(folder: &Path, path: &Path, name: &str, file: String) -> Result<Evaluation, ReportError> {
    let text = optional(path)?.unwrap_or_default();
    let summary: Summary = serde_json::from_str(&text)
        .map_err(|error| ReportError::damaged(path, "the numbers of an evaluation", error))?;
    let completions = folder.join(format!("eval-{name}.completions.jsonl"));
    let graded: Vec<Graded> = rows(&completions, "a graded completion a line")?;
    let correct = (summary.accuracy * summary.n as f64).round() as usize;
    let found = (graded.iter().filter(|row| row.correct).count(), graded.len());
    if !graded.is_empty() && found != (correct, summary.n) {
        let found = format!("{} of {} correct in `{}`", found.0, found.1, completions.display());
        return Err(ReportError::damaged(path, "the numbers of the completions beside it", found));
    }
    let is_computed = summary.method.as_deref() == Some(PromptingMethod::Random.as_str());
    let asked: Vec<Asked> = rows(&folder.join(format!("samples_{name}.jsonl")), "a sample a line")?;
    Ok(Evaluation {
        name: name.to_owned(),
        file,
        percent: 100.0 * summary.accuracy,
        interval: (!is_computed).then_some((100.0 * summary.low, 100.0 * summary.high)),
        n: summary.n,
        format_percent: 100.0 * summary.format_rate,
        complete_percent: 100.0 * summary.completeness,
        contains_answer_percent: summary.contains_answer.filter(|_| !is_computed).map(|share| 100.0 * share),
        mean_tokens: summary.mean_tokens.filter(|_| !is_computed),
        grader: summary.grader,
        method: summary.method,
        task: summary.task,
        graded,
        questions: asked.into_iter().map(|row| (row.doc.id, row.doc.question)).collect(),
        budgets: budgets(folder, name)?,
    })
}

/// The results of the evaluation `name` by budget, none if they were not measured.
fn budgets(folder: &Path, name: &str) -> Result<Vec<BudgetReport>, ReportError> {
    for file in [format!("budgets-{name}.json"), format!("eval-{name}{BUDGETS}.json")] {
        let path = folder.join(file);
        if let Some(text) = optional(&path)? {
            return serde_json::from_str(&text)
                .map_err(|error| ReportError::damaged(&path, "results by budget", error));
        }
    }
    Ok(Vec::new())
}

/// The rows of a file of JSON lines, none if it is absent.
fn rows<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<Vec<T>, ReportError> {
    let text = optional(path)?.unwrap_or_default();
    let read = |(index, line): (usize, &str)| {
        let refuse = |error| ReportError::damaged(path, expected, format!("line {}: {error}", index + 1));
        serde_json::from_str(line).map_err(refuse)
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(read).collect()
}

impl Evaluation {
    /// How the student was asked or taught, in the paper's words.
    pub(in crate::report) fn method_in_words(&self) -> Option<String> {
        self.method.as_deref().map(method_in_words)
    }

    /// Whether somebody answered; the accuracy of guessing is computed.
    pub(in crate::report) fn is_answered(&self) -> bool {
        self.interval.is_some()
    }

    /// The task's key, where all questions are of one task.
    pub(in crate::report) fn task(&self) -> Option<&str> {
        if let Some(task) = &self.task {
            return (!task.contains('+')).then_some(task);
        }
        let task = |graded: &Graded| graded.id.split_once('/').map(|(task, _)| task.len());
        let first = self.graded.first()?;
        let task_of_first = &first.id[..task(first)?];
        let same = |graded: &Graded| graded.id.split_once('/').is_some_and(|(task, _)| task == task_of_first);
        self.graded.iter().all(same).then_some(task_of_first)
    }

    /// The task's key, if these are the questions of a published test split as far as names tell.
    pub(in crate::report) fn published_task(&self) -> Option<&str> {
        let stem = self.name.strip_suffix("-test")?;
        (self.task().unwrap_or(stem) == stem).then_some(stem)
    }
}

/// The paper's words for a method.
pub(super) fn method_in_words(method: &str) -> String {
    let words = match method {
        "random" => "Random",
        "zero_shot" => "Zero-shot",
        "zero_shot_cot" => "Zero-shot-CoT",
        "few_shot_cot" => "Few-shot-CoT",
        "fine_tune" => "Fine-tune",
        "fine_tune_cot" => "Fine-tune-CoT",
        other => other,
    };
    words.to_owned()
}

impl Graded {
    /// The student's answer as text.
    pub(in crate::report) fn answer(&self) -> String {
        match &self.prediction {
            None => "none".to_owned(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }
}
