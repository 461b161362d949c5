//! The published numbers, from the recorded teacher completions and grading cases in `../shared/data`.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::super::{Grader, PublishedTemplate, task};

/// A file of the shared data, or `None`, said on standard error, where the folder is absent.
fn shared(name: &str) -> Result<Option<String>, Box<dyn Error>> {
    let folder = std::env::var_os("PUPIL_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    if !folder.exists() {
        writeln!(std::io::stderr(), "skipped: no folder `{}` (set PUPIL_DATA)", folder.display())?;
        return Ok(None);
    }
    Ok(Some(fs::read_to_string(folder.join(name))?))
}

#[derive(Deserialize)]
struct Case {
    dataset: String,
    template: Option<PublishedTemplate>,
    completion: String,
    answer: String,
    prediction: Value,
    correct: bool,
}

#[test]
fn grading_cases_are_reproduced() -> Result<(), Box<dyn Error>> {
    let Some(text) = shared("grading_cases.jsonl")? else { return Ok(()) };
    let mut checked = 0;
    for line in text.lines() {
        let case: Case = serde_json::from_str(line)?;
        let kind = task(&case.dataset).ok_or_else(|| format!("no task `{}`", case.dataset))?.kind;
        let marker = case.template.unwrap_or_default().marker();
        let prediction = Grader::Published.predict(kind, &case.completion, marker);
        assert_eq!(serde_json::to_value(&prediction)?, case.prediction, "{line}");
        assert_eq!(Grader::Published.is_correct(kind, prediction.as_ref(), &case.answer), case.correct, "{line}");
        checked += 1;
    }
    assert_eq!(checked, 27);
    Ok(())
}

#[derive(Deserialize)]
struct Recorded {
    completion_index: usize,
    split: String,
    answer: String,
    prediction: String,
}

/// What one grader makes of one recorded file.
struct Counts {
    correct: usize,
    all: usize,
    /// Correct ones among completion 0 of the training split.
    kept: usize,
}

impl Counts {
    fn of(grader: Grader, teacher: &str, key: &str) -> Result<Option<Self>, Box<dyn Error>> {
        let Some(text) = shared(&format!("teacher/{teacher}.{key}.jsonl"))? else { return Ok(None) };
        let kind = task(key).ok_or("unknown task")?.kind;
        let mut counts = Self { correct: 0, all: 0, kept: 0 };
        for line in text.lines() {
            let row: Recorded = serde_json::from_str(line)?;
            let prediction = grader.predict(kind, &row.prediction, None);
            let correct = grader.is_correct(kind, prediction.as_ref(), &row.answer);
            counts.all += 1;
            counts.correct += usize::from(correct);
            counts.kept += usize::from(correct && row.split == "train" && row.completion_index == 0);
        }
        Ok(Some(counts))
    }

    fn percent(&self) -> String {
        format!("{:.2}", 100.0 * self.correct as f64 / self.all as f64)
    }
}

/// Task, published teacher accuracy in per cent, size of the published fine-tuning set.
const PUBLISHED: [(&str, &str, usize); 7] = [
    ("single_eq", "81.50", 289),
    ("addsub", "76.71", 209),
    ("multiarith", "78.79", 323),
    ("svamp", "64.20", 448),
    ("tracking_shuffled_objects", "53.20", 284),
    ("last_letter_concatenation", "57.71", 201),
    ("coin_flip", "90.04", 314),
];

#[test]
fn published_teacher_accuracies_and_filter_counts_are_reproduced() -> Result<(), Box<dyn Error>> {
    for (key, percent, kept) in PUBLISHED {
        let Some(counts) = Counts::of(Grader::Published, "text-davinci-002", key)? else { return Ok(()) };
        assert_eq!((counts.percent().as_str(), counts.kept), (percent, kept), "{key}");
    }
    Ok(())
}

#[test]
fn the_robust_grader_loses_nothing_on_short_answers() -> Result<(), Box<dyn Error>> {
    for (key, ..) in PUBLISHED {
        let Some(published) = Counts::of(Grader::Published, "text-davinci-002", key)? else { return Ok(()) };
        let Some(robust) = Counts::of(Grader::Robust, "text-davinci-002", key)? else { return Ok(()) };
        assert!(robust.correct >= published.correct, "{key}: {} < {}", robust.correct, published.correct);
    }
    let Some(sentences) = Counts::of(Grader::Robust, "palm-540b-fewshot", "commonsense_qa")? else { return Ok(()) };
    assert_eq!((sentences.correct, sentences.all), (8439, 10962));
    Ok(())
}
