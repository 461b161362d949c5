//! The published prompts: the one place where teachers and prompted students find the words that make a model reason.
//!
//! Source: Ho, Schmid and Yun (2023), after Kojima et al. (2022, zero-shot-CoT) and Wei et al. (2022, few-shot-CoT).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Sets off the answer that follows a zero-shot-CoT rationale; the same for every task.
pub const ANSWER_TRIGGER: &str = "Therefore, the answer is";

/// Announces the answer in completions of few-shot prompts.
pub const FEW_SHOT_MARKER: &str = "The answer is";

/// Ends a completion of a few-shot prompt: the model goes on to a question of its own.
pub const FEW_SHOT_STOP: &str = "Q:";

/// Zero-shot: the answer is asked for without reasoning.
#[must_use]
pub fn zero_shot(question: &str) -> String {
    format!("Q: {question}\n\nA:")
}

/// Zero-shot-CoT, step 1: the rationale is asked for.
#[must_use]
pub fn zero_shot_cot(question: &str) -> String {
    format!("Q: {question}\nA: Let's think step by step.")
}

/// Zero-shot-CoT, step 2: the answer to `rationale`, the raw completion of step 1, is asked for.
#[must_use]
pub fn zero_shot_cot_answer(question: &str, rationale: &str) -> String {
    format!("{}{rationale}\n{ANSWER_TRIGGER}", zero_shot_cot(question))
}

/// Few-shot-CoT: the question after a block of exemplars.
#[must_use]
pub fn few_shot_cot(block: &str, question: &str) -> String {
    format!("{block}\nQ: {question}\nA:")
}

/// One step: the model is told to reason and to announce its answer with `marker`.
#[must_use]
pub fn one_step(question: &str, marker: &str) -> String {
    format!(
        "{question}\n\nReason step by step. Then end with one line that says \"{marker}\" followed by the answer alone."
    )
}

/// One step for plain completions, whose models continue a text instead of following an instruction.
#[must_use]
pub fn one_step_continued(question: &str, marker: &str) -> String {
    format!(
        "Q: {question}\n(Reason step by step, then write \"{marker}\" and the answer.)\nA: Let's think step by step."
    )
}

/// A task's exemplars for few-shot-CoT.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Exemplars {
    /// Questions with rationales and answers, ready to stand before a question.
    #[serde(rename = "prompt")]
    pub block: String,
    /// Which rows of the task's dataset they are, by index; none where they come from elsewhere.
    #[serde(default)]
    pub sample_indices: Vec<u64>,
}

impl Exemplars {
    /// Whether `question` is one of the exemplars, so that its answer stands in the prompt.
    #[must_use]
    pub fn contains(&self, question: &str) -> bool {
        self.block.contains(&format!("Q: {}\n", question.trim()))
    }
}

/// Why exemplars cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExemplarError {
    /// The file cannot be read.
    #[error("cannot read the exemplars `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("exemplars `{path}`: expected an object of blocks by task, each with `prompt`")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The file has no block for a task.
    #[error("exemplars `{path}`: expected a block for task `{task}`, found blocks for {found} only")]
    Task {
        /// The file.
        path: PathBuf,
        /// The task.
        task: String,
        /// The tasks that have one.
        found: String,
    },
}

/// Exemplar blocks by task, read from one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExemplarFile {
    path: PathBuf,
    blocks: HashMap<String, Exemplars>,
}

impl ExemplarFile {
    /// Reads a file that maps each task's key to its block: `{"coin_flip": {"prompt": "Q: …", "sample_indices": […]}}`.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(path: &Path) -> Result<Self, ExemplarError> {
        let text = std::fs::read(path).map_err(|source| ExemplarError::Read { path: path.to_owned(), source })?;
        let blocks =
            serde_json::from_slice(&text).map_err(|source| ExemplarError::Parse { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), blocks })
    }

    /// The exemplars of `task`.
    ///
    /// # Errors
    /// The file has none; `tracking_shuffled_objects` has none in the published file.
    pub fn task(&self, task: &str) -> Result<&Exemplars, ExemplarError> {
        self.blocks.get(task).ok_or_else(|| {
            let mut found: Vec<&str> = self.blocks.keys().map(String::as_str).collect();
            found.sort_unstable();
            ExemplarError::Task { path: self.path.clone(), task: task.to_owned(), found: found.join(", ") }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_the_published_ones_to_the_byte() {
        assert_eq!(zero_shot("1 + 1?"), "Q: 1 + 1?\n\nA:");
        assert_eq!(zero_shot_cot("1 + 1?"), "Q: 1 + 1?\nA: Let's think step by step.");
        assert_eq!(
            zero_shot_cot_answer("1 + 1?", "\n\nOne and one."),
            "Q: 1 + 1?\nA: Let's think step by step.\n\nOne and one.\nTherefore, the answer is"
        );
        assert_eq!(few_shot_cot("Q: a\nA: b", "c"), "Q: a\nA: b\nQ: c\nA:");
    }

    #[test]
    fn the_published_blocks_end_in_an_answer_and_name_their_rows() {
        let data = std::env::var_os("PUPIL_DATA")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
        let path = data.join("few_shot_cot_prompts.json");
        if !path.exists() {
            eprintln!("skipped: `{}` is absent", path.display());
            return;
        }
        let file = ExemplarFile::read(&path).unwrap();
        let coin = file.task("coin_flip").unwrap();
        assert!(coin.block.contains(FEW_SHOT_MARKER) && coin.block.ends_with('.'));
        assert_eq!(coin.sample_indices.len(), coin.block.matches("Q: ").count());
        let question = coin.block.lines().next().unwrap().trim_start_matches("Q: ").to_owned();
        assert!(coin.contains(&question) && !coin.contains("Is a coin heads up?"));
        let error = file.task("tracking_shuffled_objects").unwrap_err().to_string();
        assert!(error.contains("coin_flip") && error.contains("tracking_shuffled_objects"), "{error}");
    }
}
