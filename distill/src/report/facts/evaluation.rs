//! An evaluation's files: `eval-NAME.json`, `eval-NAME.completions.jsonl`, `eval-NAME.budgets.json`, `samples_NAME.jsonl`.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{entries, optional};
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
    /// Its 95 % interval.
    pub(in crate::report) interval: (f64, f64),
    /// Number of questions.
    pub(in crate::report) n: usize,
    /// Completions in which the student wrote the answer marker, or needed none, in percent.
    pub(in crate::report) format_percent: f64,
    /// Completions that the student itself ended, in percent.
    pub(in crate::report) complete_percent: f64,
    /// How the student was asked or taught, where it was written down.
    pub(in crate::report) method: Option<String>,
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
    #[serde(default)]
    method: Option<String>,
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
    let asked: Vec<Asked> = rows(&folder.join(format!("samples_{name}.jsonl")), "a sample a line")?;
    let budgets = folder.join(format!("eval-{name}{BUDGETS}.json"));
    let budgets = match optional(&budgets)? {
        Some(text) => {
            serde_json::from_str(&text).map_err(|error| ReportError::damaged(&budgets, "results by budget", error))?
        }
        None => Vec::new(),
    };
    Ok(Evaluation {
        name: name.to_owned(),
        file,
        percent: 100.0 * summary.accuracy,
        interval: (100.0 * summary.low, 100.0 * summary.high),
        n: summary.n,
        format_percent: 100.0 * summary.format_rate,
        complete_percent: 100.0 * summary.completeness,
        method: summary.method,
        graded,
        questions: asked.into_iter().map(|row| (row.doc.id, row.doc.question)).collect(),
        budgets,
    })
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
        let words = match self.method.as_deref()? {
            "random" => "Random",
            "zero_shot" => "Zero-shot",
            "zero_shot_cot" => "Zero-shot-CoT",
            "few_shot_cot" => "Few-shot-CoT",
            "fine_tune" => "Fine-tune",
            "fine_tune_cot" => "Fine-tune-CoT",
            other => other,
        };
        Some(words.to_owned())
    }

    /// The task's key, where all questions are of one task.
    pub(in crate::report) fn task(&self) -> Option<&str> {
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
