//! Answer cleansing: what a completion's answer is, and whether it is the gold answer.
//!
//! Two graders, chosen by name. [`Grader::Published`] does what the published Fine-tune-CoT code does, oddities included,
//! so that its numbers can be reproduced; [`Grader::Robust`] reads answers the way a careful person would. Both are total
//! (no text makes them panic) and take time linear in the completion.

mod kind;
mod published;
mod python;
mod robust;
mod task;
mod template;
mod text;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use kind::{AnswerKind, InvalidAnswerKind};
pub use published::contains_answer;
pub use robust::spelled;
pub use task::{TASKS, Task, task};
pub use template::PublishedTemplate;

/// An answer as a grader reads it: normalised text, and its value where the task's answers are numbers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "RawAnswer")]
pub struct Answer {
    text: String,
    value: Option<f64>,
}

impl Answer {
    /// The answer as text, ready to show.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The numeric value; present for [`AnswerKind::Number`] only.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.value
    }

    fn worded(text: impl Into<String>) -> Self {
        Self { text: text.into(), value: None }
    }

    fn numeric(value: f64) -> Self {
        // Adding zero turns `-0` into `0`, which is how the answer should be shown.
        Self { text: (value + 0.0).to_string(), value: Some(value) }
    }

    /// Whether two predictions of one grader are the same answer.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.text == other.text || self.is_near(other)
    }

    /// Whether both have a value and the values differ by at most the published tolerance of 1e-6.
    fn is_near(&self, other: &Self) -> bool {
        self.value.zip(other.value).is_some_and(|(own, others)| (own - others).abs() <= 1e-6)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Serialize for Answer {
    /// A JSON number where there is a value, else a string. JSON has no infinities, so those stay text.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Some(value) if value.is_finite() => serializer.serialize_f64(value),
            _ => serializer.serialize_str(&self.text),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawAnswer {
    Numeric(f64),
    Worded(String),
}

impl From<RawAnswer> for Answer {
    fn from(raw: RawAnswer) -> Self {
        match raw {
            RawAnswer::Numeric(value) => Self::numeric(value),
            RawAnswer::Worded(text) => Self::worded(text),
        }
    }
}

/// How an answer is found in a completion and compared with the gold answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grader {
    /// The published method's rules to the letter: accuracies agree with the paper's code.
    Published,
    /// Rules that follow what the writer of the completion meant.
    Robust,
}

impl Grader {
    const ALL: [Self; 2] = [Self::Published, Self::Robust];

    /// The answer in `completion`, or `None` where it holds none.
    ///
    /// `marker` is the text that announces the answer in completions of this prompt, exact and case-sensitive; `None`
    /// where the prompt has none (zero-shot, or the second step of two-step prompting).
    #[must_use]
    pub fn predict(self, kind: AnswerKind, completion: &str, marker: Option<&str>) -> Option<Answer> {
        match self {
            Self::Published => published::predict(kind, completion, marker),
            Self::Robust => robust::predict(kind, completion, marker),
        }
    }

    /// Whether `prediction` (made by the same grader) is the dataset's `gold` answer. No prediction is never correct.
    #[must_use]
    pub fn is_correct(self, kind: AnswerKind, prediction: Option<&Answer>, gold: &str) -> bool {
        prediction.is_some_and(|prediction| match self {
            Self::Published => published::is_correct(kind, prediction, gold),
            Self::Robust => robust::is_correct(kind, prediction, gold),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Robust => "robust",
        }
    }
}

impl fmt::Display for Grader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Grader {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|grader| grader.name() == name);
        found.ok_or_else(|| UnknownName::new("grader", &Self::ALL.map(Self::name), name))
    }
}

/// A name that is not in the list it was looked up in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {object} `{found}`: expected {expected}, found `{found}`")]
pub struct UnknownName {
    object: &'static str,
    expected: String,
    found: String,
}

impl UnknownName {
    fn new(object: &'static str, expected: &[&str], found: &str) -> Self {
        let expected: Vec<_> = expected.iter().map(|name| format!("`{name}`")).collect();
        Self { object, expected: expected.join(" or "), found: found.to_owned() }
    }
}
