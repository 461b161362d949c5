//! The answer filter: a verdict with a reason on every rationale.
//!
//! The published method keeps a completion if and only if its answer is right; the reasoning itself is never checked. A
//! rejected rationale is data, not an error.

use std::fmt;

use pupil_models::answer::{AnswerKind, Grader, task};
use pupil_models::contract::ReasoningContract;
use serde::{Deserialize, Serialize};

use crate::rationale::RationaleRow;

/// Whether a rationale becomes a training sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Keep,
    /// It does not.
    Reject(Reason),
}

impl Verdict {
    /// Whether the rationale becomes a training sample.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        *self == Self::Keep
    }

    /// Why the rationale is rejected, if it is.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Keep => None,
            Self::Reject(reason) => Some(reason),
        }
    }
}

/// Why a rationale is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// There is no reasoning to learn from.
    EmptyRationale,
    /// The grader found no answer in the completion.
    NoAnswer,
    /// The completion's answer is not the gold answer.
    WrongAnswer {
        /// The answer that the grader found.
        prediction: String,
    },
}

impl Reason {
    /// A stable code: the reason without its particulars.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::EmptyRationale => "empty_rationale",
            Self::NoAnswer => "no_answer",
            Self::WrongAnswer { .. } => "wrong_answer",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyRationale => formatter.write_str("empty rationale"),
            Self::NoAnswer => formatter.write_str("no answer"),
            Self::WrongAnswer { prediction } => write!(formatter, "wrong answer `{prediction}`"),
        }
    }
}

/// How many rationales were kept, and how many rejected for each reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Kept.
    pub kept: usize,
    /// Rejected as [`Reason::EmptyRationale`].
    pub empty_rationale: usize,
    /// Rejected as [`Reason::NoAnswer`].
    pub no_answer: usize,
    /// Rejected as [`Reason::WrongAnswer`].
    pub wrong_answer: usize,
}

impl Counts {
    /// All rationales that got a verdict.
    #[must_use]
    pub fn total(&self) -> usize {
        self.kept + self.empty_rationale + self.no_answer + self.wrong_answer
    }

    /// Counts one more verdict.
    pub fn add(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Keep => &mut self.kept,
            Verdict::Reject(Reason::EmptyRationale) => &mut self.empty_rationale,
            Verdict::Reject(Reason::NoAnswer) => &mut self.no_answer,
            Verdict::Reject(Reason::WrongAnswer { .. }) => &mut self.wrong_answer,
        } += 1;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "kept {} of {} (wrong answer {}, no answer {}, empty rationale {})",
            self.kept,
            self.total(),
            self.wrong_answer,
            self.no_answer,
            self.empty_rationale
        )
    }
}

/// Judges rationales by their answers.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Extracts and compares answers.
    pub grader: Grader,
    /// The text that announces the answer in rationales whose teacher gave no answer in a second step.
    pub marker: Option<String>,
    /// The kind of answer of tasks that the published method does not know.
    pub kind: AnswerKind,
}

impl Filter {
    /// The filter with the grader, marker and answer kind of `contract`.
    #[must_use]
    pub fn of(contract: &ReasoningContract) -> Self {
        Self { grader: contract.grader, marker: contract.marker().map(str::to_owned), kind: contract.answer }
    }

    /// The verdict on one rationale.
    ///
    /// A teacher's second-step answer is graded alone: its first candidate counts, and no marker is looked for. Without
    /// one, the rationale is graded with the marker.
    #[must_use]
    pub fn verdict(&self, row: &RationaleRow) -> Verdict {
        let completion = &row.completion;
        if completion.rationale.trim().is_empty() {
            return Verdict::Reject(Reason::EmptyRationale);
        }
        let kind = task(&row.example.task).map_or(self.kind, |task| task.kind);
        let prediction = match &completion.prediction {
            Some(text) => self.grader.predict(kind, text, None),
            None => {
                let marker = completion.marker.as_deref().or(self.marker.as_deref());
                self.grader.predict(kind, &completion.rationale, marker)
            }
        };
        match prediction {
            None => Verdict::Reject(Reason::NoAnswer),
            Some(answer) if self.grader.is_correct(kind, Some(&answer), &row.example.gold) => Verdict::Keep,
            Some(answer) => Verdict::Reject(Reason::WrongAnswer { prediction: answer.text().to_owned() }),
        }
    }

    /// The verdicts on `rows`, in their order, and how often each was given.
    #[must_use]
    pub fn filter(&self, rows: Vec<RationaleRow>) -> (Vec<(RationaleRow, Verdict)>, Counts) {
        let mut counts = Counts::default();
        let judge = |row: RationaleRow| {
            let verdict = self.verdict(&row);
            counts.add(&verdict);
            (row, verdict)
        };
        let judged = rows.into_iter().map(judge).collect();
        (judged, counts)
    }
}

#[cfg(test)]
mod tests;
