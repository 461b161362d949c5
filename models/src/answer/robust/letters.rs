//! One word of joined letters: quoted, bare, or spelled out as `y a j o` or `y-a-j-o`.

use super::scope::{Scope, sentences, words};

/// The letters that `scope` gives as the answer.
pub(super) fn read(scope: &Scope<'_>) -> Option<String> {
    let sentences = sentences(scope.text());
    if scope.is_announced() {
        return sentences.first().and_then(|sentence| of_sentence(sentence, Side::First));
    }
    let quoting = sentences.iter().rev().find(|sentence| !quoted(sentence).is_empty());
    quoting.or(sentences.last()).and_then(|sentence| of_sentence(sentence, Side::Last))
}

/// Which of several quotations counts.
#[derive(Clone, Copy)]
enum Side {
    First,
    Last,
}

fn of_sentence(sentence: &str, side: Side) -> Option<String> {
    let quotations: Vec<_> = quoted(sentence).into_iter().map(joined).collect();
    if quotations.len() > 1 && quotations.iter().all(|quotation| is_letter(quotation)) {
        return Some(quotations.concat());
    }
    let chosen = match side {
        Side::First => quotations.into_iter().next(),
        Side::Last => quotations.into_iter().next_back(),
    };
    chosen.or_else(|| spelled(sentence))
}

/// The non-empty texts between double quotes, straight or curly.
fn quoted(sentence: &str) -> Vec<&str> {
    let parts = sentence.split(['"', '\u{201c}', '\u{201d}']);
    // An opening quote that is never closed belongs to a text that was cut: what follows it is no quotation.
    let inside = parts.skip(1).step_by(2);
    let closed = sentence.matches(['"', '\u{201c}', '\u{201d}']).count() / 2;
    inside.take(closed).filter(|text| text.contains(char::is_alphanumeric)).collect()
}

/// The single letters that end the sentence, joined, else its last word.
fn spelled(sentence: &str) -> Option<String> {
    let words: Vec<_> = words(sentence).map(|(_, word)| word).collect();
    let tail = words.iter().rev().take_while(|word| is_letter(word)).count();
    let start = words.len().checked_sub(tail.max(1))?;
    Some(words[start..].concat())
}

fn joined(text: &str) -> String {
    text.chars().filter(|character| character.is_alphanumeric()).collect()
}

fn is_letter(word: &str) -> bool {
    word.chars().count() == 1
}
