//! Options of a multiple choice: `(C)`, `C.`, `(c)`, `c)`, but no letter inside a word and no article.

use super::scope::{Scope, words};

/// The option that `scope` gives as the answer, as a capital letter.
pub(super) fn read(scope: &Scope<'_>, last: char) -> Option<char> {
    let opens = |sentence: &str| {
        let lead = words(sentence).next();
        lead.is_some_and(|(at, word)| Mention::of(sentence, at, word, true, last).is_some())
    };
    scope.deciding(opens, |sentence| of_sentence(sentence, last))
}

/// How an option letter stands in a sentence.
struct Mention {
    letter: char,
    bracketed: bool,
}

/// The first bracketed option of the sentence, else its first bare one.
fn of_sentence(sentence: &str, last: char) -> Option<char> {
    let mut bare = None;
    for (index, (at, word)) in words(sentence).enumerate() {
        match Mention::of(sentence, at, word, index == 0, last) {
            Some(mention) if mention.bracketed => return Some(mention.letter),
            Some(mention) => bare = bare.or(Some(mention.letter)),
            None => {}
        }
    }
    bare
}

impl Mention {
    /// Reads the word at byte `at`; `leads` says that it is the first of the sentence.
    fn of(sentence: &str, at: usize, word: &str, leads: bool, last: char) -> Option<Self> {
        let mut letters = word.chars();
        let written = letters.next().filter(|_| letters.as_str().is_empty())?;
        let letter = written.to_ascii_uppercase();
        let (before, after) = (&sentence[..at], &sentence[at + word.len()..]);
        let bracketed = before.ends_with(['(', '[', '{']) && after.starts_with([')', ']', '}']);
        let part_of_word = before.ends_with(['\'', '\u{2019}']) || after.starts_with(['\'', '\u{2019}']);
        let bare = match written {
            'A'..='Z' => !(part_of_word || leads && is_article(written, after)),
            _ => after.starts_with(')') || (leads && !after.contains(char::is_alphanumeric)),
        };
        (('A'..=last).contains(&letter) && (bracketed || bare)).then_some(Self { letter, bracketed })
    }
}

/// `A` before a lower-case word; an article where it leads the sentence.
fn is_article(letter: char, after: &str) -> bool {
    letter == 'A' && after.strip_prefix(' ').is_some_and(|rest| rest.starts_with(char::is_lowercase))
}
