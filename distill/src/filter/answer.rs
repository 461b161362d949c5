//! The answer filter of the published method.

use pupil_models::answer::{Answer, AnswerKind, Grader, task};
use pupil_models::contract::ReasoningContract;

use super::{Counts, Reason, Verdict};
use crate::rationale::RationaleRow;

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

    /// The form of the answers to the row's task.
    #[must_use]
    pub fn kind_of(&self, row: &RationaleRow) -> AnswerKind {
        task(&row.example.task).map_or(self.kind, |task| task.kind)
    }

    /// The text that announces the answer in the row's rationale, if it came together with the reasoning.
    #[must_use]
    pub fn marker_of<'a>(&'a self, row: &'a RationaleRow) -> Option<&'a str> {
        let own = row.completion.marker.as_deref().or(self.marker.as_deref());
        own.filter(|_| row.completion.prediction.is_none())
    }

    /// The answer in a completion.
    ///
    /// A teacher's second-step answer is graded alone: its first candidate counts, and no marker is looked for. Without
    /// one, the rationale is graded with the marker.
    #[must_use]
    pub fn prediction(&self, row: &RationaleRow) -> Option<Answer> {
        let text = row.completion.prediction.as_ref().unwrap_or(&row.completion.rationale);
        self.grader.predict(self.kind_of(row), text, self.marker_of(row))
    }

    /// What the answer itself says against the completion.
    #[must_use]
    pub fn objection(&self, row: &RationaleRow, prediction: Option<&Answer>) -> Option<Reason> {
        let Some(answer) = prediction else { return Some(Reason::NoAnswer) };
        let correct = self.grader.is_correct(self.kind_of(row), Some(answer), &row.example.gold);
        (!correct).then(|| Reason::WrongAnswer { prediction: answer.text().to_owned() })
    }

    /// The published verdict on one rationale: it is kept if there is one and its answer, as [`Self::prediction`] finds
    /// it, is right.
    #[must_use]
    pub fn verdict(&self, row: &RationaleRow) -> Verdict {
        if row.completion.rationale.trim().is_empty() {
            return Verdict::Reject(Reason::EmptyRationale);
        }
        self.objection(row, self.prediction(row).as_ref()).map_or(Verdict::Keep, Verdict::Reject)
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
