//! Tests of answer cleansing: rules on committed cases, the recorded data where it is present, and properties.

mod names;
mod properties;
mod published;
mod python;
mod recorded;
mod robust;

use super::{Answer, AnswerKind, Grader};

/// The text of the grader's prediction.
fn predicted(grader: Grader, kind: AnswerKind, completion: &str, marker: Option<&str>) -> Option<String> {
    grader.predict(kind, completion, marker).map(|answer| answer.text().to_owned())
}

/// Whether the grader finds the completion correct.
fn graded(grader: Grader, kind: AnswerKind, completion: &str, marker: Option<&str>, gold: &str) -> bool {
    let prediction: Option<Answer> = grader.predict(kind, completion, marker);
    grader.is_correct(kind, prediction.as_ref(), gold)
}

const CHOICE: AnswerKind = AnswerKind::Choice { last: 'E' };
