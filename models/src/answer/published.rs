//! The published grader: the rules of the Fine-tune-CoT code, oddities included.
//!
//! Where the marker is found, the first candidate after its first occurrence counts; where a marker is expected and
//! missing, the last candidate of the whole text; where none is expected, the first.

use super::{Answer, AnswerKind, python, text};

/// The published prediction.
pub(super) fn predict(kind: AnswerKind, completion: &str, marker: Option<&str>) -> Option<Answer> {
    let Some(marker) = marker else {
        return candidates(kind, completion).into_iter().next();
    };
    match completion.split_once(marker) {
        Some((_, answer)) if kind == AnswerKind::Text => text::first_line(answer),
        Some((_, answer)) => candidates(kind, answer).into_iter().next(),
        None => candidates(kind, completion).pop(),
    }
}

/// Whether any candidate of `completion`, wherever it stands, is the dataset's `gold` answer: a published diagnostic.
#[must_use]
pub fn contains_answer(kind: AnswerKind, completion: &str, gold: &str) -> bool {
    candidates(kind, completion).iter().any(|candidate| is_correct(kind, candidate, gold))
}

/// Everything in `completion` that has the form of an answer, in order.
fn candidates(kind: AnswerKind, completion: &str) -> Vec<Answer> {
    match kind {
        AnswerKind::Number => {
            let plain = completion.replace(',', "");
            python::numbers(&plain).into_iter().filter_map(python::float).map(Answer::numeric).collect()
        }
        AnswerKind::Integer => {
            let plain = completion.replace(',', "");
            python::numbers(&plain).into_iter().map(Answer::worded).collect()
        }
        AnswerKind::Choice { last } => {
            completion.chars().filter(|letter| ('A'..=last).contains(letter)).map(Answer::worded).collect()
        }
        AnswerKind::YesNo => {
            let lower = completion.to_lowercase();
            let words = lower.split(|character| separates_words(character) || character == ':' || character == ',');
            words.filter(|word| matches!(*word, "yes" | "no")).map(Answer::worded).collect()
        }
        // The one candidate is there even when it is empty.
        AnswerKind::Letters => vec![Answer::worded(completion.replace(separates_words, ""))],
        AnswerKind::Text => text::normalised(completion).into_iter().collect(),
    }
}

/// What is removed inside letters and, with `:` and `,`, parts the words of a yes/no answer.
fn separates_words(character: char) -> bool {
    matches!(character, '"' | '\'' | '.') || python::is_space(character)
}

/// The published comparison: by value within 1e-6 for numbers, else as strings.
pub(super) fn is_correct(kind: AnswerKind, prediction: &Answer, gold: &str) -> bool {
    match kind {
        AnswerKind::Number => {
            python::float(&gold.replace(',', "")).is_some_and(|gold| prediction.is_near(&Answer::numeric(gold)))
        }
        AnswerKind::Integer => prediction.text() == gold.replace(',', ""),
        AnswerKind::YesNo => prediction.text() == gold.to_lowercase(),
        AnswerKind::Choice { .. } | AnswerKind::Letters => prediction.text() == gold,
        AnswerKind::Text => text::is_same(prediction, gold),
    }
}
