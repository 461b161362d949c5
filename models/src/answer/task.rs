//! The twelve tasks of Fine-tune-CoT and the form of their answers.

use super::AnswerKind;

/// A task of the published method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// The name of the task in files and options.
    pub key: &'static str,
    /// The form of its answers.
    pub kind: AnswerKind,
}

/// The twelve tasks: arithmetic, other multiple choice, symbolic, commonsense.
pub static TASKS: [Task; 12] = [
    Task { key: "single_eq", kind: AnswerKind::Number },
    Task { key: "addsub", kind: AnswerKind::Number },
    Task { key: "multiarith", kind: AnswerKind::Integer },
    Task { key: "gsm8k", kind: AnswerKind::Integer },
    Task { key: "aqua", kind: AnswerKind::Choice { last: 'E' } },
    Task { key: "svamp", kind: AnswerKind::Number },
    Task { key: "date_understanding", kind: AnswerKind::Choice { last: 'F' } },
    Task { key: "tracking_shuffled_objects", kind: AnswerKind::Choice { last: 'C' } },
    Task { key: "last_letter_concatenation", kind: AnswerKind::Letters },
    Task { key: "coin_flip", kind: AnswerKind::YesNo },
    Task { key: "commonsense_qa", kind: AnswerKind::Choice { last: 'E' } },
    Task { key: "strategy_qa", kind: AnswerKind::YesNo },
];

/// The task named `key`, or `None` where the published method has none of that name.
#[must_use]
pub fn task(key: &str) -> Option<&'static Task> {
    TASKS.iter().find(|task| task.key == key)
}
