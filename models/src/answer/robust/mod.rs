//! The robust grader: reads a completion the way a careful person would.
//!
//! An answer that is *announced*, by the marker or else by a phrase such as "the answer is", counts: the last
//! announcement that something usable follows, since a text that corrects itself does so later. A marker with nothing
//! usable after any of its occurrences is no answer: the writer never gave one. Without an announcement the text is read
//! as *free*: either it opens with the answer, or it is reasoning, and its last usable sentence concludes it.

mod choice;
mod decimal;
mod letters;
mod scope;
mod words;

pub use words::spelled;

use super::{Answer, AnswerKind, text};
use scope::Scope;

/// The robust prediction.
pub(super) fn predict(kind: AnswerKind, completion: &str, marker: Option<&str>) -> Option<Answer> {
    let text = scope::before_next_question(completion);
    let marker = marker.filter(|marker| !marker.is_empty());
    if let Some(marker) = marker.filter(|marker| text.contains(marker)) {
        return text.split(marker).skip(1).collect::<Vec<_>>().into_iter().rev().find_map(|part| announced(kind, part));
    }
    if kind == AnswerKind::Text {
        return text::normalised(text);
    }
    let mut phrases = scope::after_answer_phrases(text).into_iter().rev();
    phrases.find_map(|part| announced(kind, part)).or_else(|| read(kind, &Scope::free(text)))
}

fn announced(kind: AnswerKind, part: &str) -> Option<Answer> {
    match kind {
        AnswerKind::Text => text::first_line(part),
        _ => read(kind, &Scope::announced(part)),
    }
}

fn read(kind: AnswerKind, scope: &Scope<'_>) -> Option<Answer> {
    match kind {
        AnswerKind::Number => decimal::read(scope).map(|number| Answer::numeric(number.value)),
        AnswerKind::Integer => decimal::read(scope).map(|number| Answer::worded(number.text)),
        AnswerKind::Choice { last } => choice::read(scope, last).map(Answer::worded),
        AnswerKind::YesNo => words::yes_or_no(scope).map(Answer::worded),
        AnswerKind::Letters => letters::read(scope).map(Answer::worded),
        AnswerKind::Text => text::normalised(scope.text()),
    }
}

/// Compares with the gold answer, which is normalised like a prediction.
pub(super) fn is_correct(kind: AnswerKind, prediction: &Answer, gold: &str) -> bool {
    let gold = gold.trim();
    match kind {
        AnswerKind::Number => decimal::first(gold).is_some_and(|gold| prediction.is_near(&Answer::numeric(gold.value))),
        AnswerKind::Integer => decimal::first(gold).is_some_and(|gold| prediction.text() == gold.text),
        AnswerKind::YesNo => prediction.text() == gold.to_lowercase(),
        AnswerKind::Choice { .. } | AnswerKind::Letters => prediction.text() == gold,
        AnswerKind::Text => text::is_same(prediction, gold),
    }
}
