//! The reasoning contract (`reasoning.json`): the one place where prompt and answer strings exist.
//!
//! The teacher's rationales are laid out by it, the loss mask is drawn by it, the runtime prompts and stops by it, and the
//! evaluation grades by it; its digest is written into every artefact, so two stages cannot disagree silently.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::answer::{AnswerKind, Grader};
use crate::digest::Digest;

/// Where the question goes in a prompt.
const QUESTION: &str = "{question}";

/// The contract's format that this build reads and writes.
pub const CONTRACT_VERSION: u32 = 1;

/// What is wrong with a contract.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// The file cannot be read.
    #[error("cannot read the reasoning contract `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not a contract.
    #[error("reasoning contract is not valid: {found}")]
    Parse {
        /// What the parser met.
        found: String,
    },
    /// A value that no stage could work with.
    #[error("reasoning contract `{key}`: expected {expected}, found {found}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is accepted.
        expected: String,
        /// What the contract says.
        found: String,
    },
}

impl ContractError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "E_CONTRACT_READ",
            Self::Parse { .. } => "E_CONTRACT_PARSE",
            Self::Value { .. } => "E_CONTRACT_VALUE",
        }
    }
}

/// How a rationale is divided into steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepRule {
    /// Every line that is not blank is a step.
    Line,
    /// Every sentence is a step: `.`, `!` or `?`, closing quotes or brackets, then white space; a line end also ends one.
    Sentence,
}

/// How many tokens a completion may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// Tokens up to and including the answer marker.
    pub rationale_tokens: usize,
    /// Tokens after the answer marker.
    pub answer_tokens: usize,
}

/// Prompt, answer marker, step rule, answer kind, budgets and stops of a student.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasoningContract {
    /// [`CONTRACT_VERSION`].
    pub version: u32,
    /// Prompt template; holds `{question}` once.
    pub prompt: String,
    /// The literal between rationale and answer, with its white space; `None` for a student that answers without reasoning.
    pub answer_marker: Option<String>,
    /// How steps are told apart.
    pub step_rule: StepRule,
    /// What answers look like.
    pub answer: AnswerKind,
    /// Which grader extracts and compares answers.
    pub grader: Grader,
    /// Token budgets of a completion.
    pub budgets: Budgets,
    /// Texts that end a completion wherever they appear; they are not part of it.
    #[serde(default)]
    pub stops: Vec<String>,
}

impl ReasoningContract {
    /// Reads and validates `reasoning.json`.
    pub fn read(path: &Path) -> Result<Self, ContractError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ContractError::Read { path: path.to_owned(), source })?;
        Self::from_json(&text)
    }

    /// Parses and validates a contract.
    pub fn from_json(text: &str) -> Result<Self, ContractError> {
        let contract: Self =
            serde_json::from_str(text).map_err(|error| ContractError::Parse { found: error.to_string() })?;
        contract.validate()?;
        Ok(contract)
    }

    /// The text of `reasoning.json`, ending in a newline; equal contracts give equal texts.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A struct of plain fields always serialises.
        format!("{}\n", serde_json::to_string_pretty(self).unwrap_or_default())
    }

    /// SHA-256 of [`Self::to_json`]: the identity written into artefacts.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_json().as_bytes())
    }

    /// Refuses contracts that some stage could not honour.
    pub fn validate(&self) -> Result<(), ContractError> {
        require("version", self.version == CONTRACT_VERSION, "1 (a newer contract needs a newer Pupil)", self.version)?;
        let questions = self.prompt.matches(QUESTION).count();
        require("prompt", questions == 1, "`{question}` exactly once", format!("it {questions} times"))?;
        if let Some(marker) = &self.answer_marker {
            require("answer_marker", !marker.trim().is_empty(), "some text, or null", "only white space")?;
        }
        for stop in &self.stops {
            require("stops", !stop.is_empty(), "texts that are not empty", "an empty one")?;
            let hides_marker = self.marker().is_some_and(|marker| marker.contains(stop.as_str()));
            require("stops", !hides_marker, "texts that are not part of the answer marker", format!("`{stop}`"))?;
        }
        for (key, tokens) in [
            ("budgets.rationale_tokens", self.budgets.rationale_tokens),
            ("budgets.answer_tokens", self.budgets.answer_tokens),
        ] {
            require(key, (1..=1 << 20).contains(&tokens), "a number from 1 to 2^20", tokens)?;
        }
        Ok(())
    }

    /// The exact text that a student is given for `question`.
    #[must_use]
    pub fn prompt(&self, question: &str) -> String {
        self.prompt.replacen(QUESTION, question.trim(), 1)
    }

    /// The text that announces the answer, without the white space around it; `None` if the student does not reason.
    #[must_use]
    pub fn marker(&self) -> Option<&str> {
        self.answer_marker.as_deref().map(str::trim)
    }

    /// The completion that a student is trained to write: a blank, the rationale, the answer marker, the gold answer.
    ///
    /// Without an answer marker the rationale is left out: vanilla fine-tuning.
    #[must_use]
    pub fn completion(&self, rationale: &str, gold: &str) -> String {
        match &self.answer_marker {
            Some(marker) => format!(" {}{marker}{}", rationale.trim(), gold.trim()),
            None => format!(" {}", gold.trim()),
        }
    }

    /// This contract for a student that answers without reasoning.
    #[must_use]
    pub fn without_rationale(&self) -> Self {
        Self { answer_marker: None, ..self.clone() }
    }

    /// Most tokens that a completion may have.
    #[must_use]
    pub fn completion_budget_tokens(&self) -> usize {
        match self.answer_marker {
            Some(_) => self.budgets.rationale_tokens + self.budgets.answer_tokens,
            None => self.budgets.answer_tokens,
        }
    }
}

fn require(key: &'static str, holds: bool, expected: &str, found: impl ToString) -> Result<(), ContractError> {
    if holds {
        return Ok(());
    }
    Err(ContractError::Value { key, expected: expected.to_owned(), found: found.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> ReasoningContract {
        ReasoningContract {
            version: CONTRACT_VERSION,
            prompt: "Q: {question}\nA:".to_owned(),
            answer_marker: Some("\nThe answer is ".to_owned()),
            step_rule: StepRule::Line,
            answer: AnswerKind::Text,
            grader: Grader::Robust,
            budgets: Budgets { rationale_tokens: 64, answer_tokens: 8 },
            stops: vec!["\nQ:".to_owned()],
        }
    }

    #[test]
    fn prompt_and_completion_are_laid_out_verbatim() {
        assert_eq!(contract().prompt(" 1+1? "), "Q: 1+1?\nA:");
        assert_eq!(contract().completion("one and one\n", "2"), " one and one\nThe answer is 2");
        assert_eq!(contract().without_rationale().completion("one and one", "2"), " 2");
    }

    #[test]
    fn a_question_that_looks_like_a_template_is_not_expanded() {
        assert_eq!(contract().prompt("what is {question}?"), "Q: what is {question}?\nA:");
    }

    #[test]
    fn json_round_trip_keeps_the_digest() {
        let read = ReasoningContract::from_json(&contract().to_json()).unwrap();
        assert_eq!(read.digest(), contract().digest());
        assert_ne!(read.digest(), read.without_rationale().digest());
    }

    #[test]
    fn each_bad_value_is_named() {
        type Change = fn(&mut ReasoningContract);
        let spoil: [(&str, Change); 6] = [
            ("version", |c| c.version = 2),
            ("prompt", |c| c.prompt = "Q:".to_owned()),
            ("answer_marker", |c| c.answer_marker = Some("\n".to_owned())),
            ("stops", |c| c.stops = vec![String::new()]),
            ("stops", |c| c.stops = vec!["answer".to_owned()]),
            ("budgets.answer_tokens", |c| c.budgets.answer_tokens = 0),
        ];
        for (key, change) in spoil {
            let mut bad = contract();
            change(&mut bad);
            let error = bad.validate().unwrap_err();
            assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
        }
        let unknown = contract().to_json().replace("\"stops\"", "\"stop\"");
        assert!(ReasoningContract::from_json(&unknown).unwrap_err().to_string().contains("unknown field `stop`"));
    }
}
