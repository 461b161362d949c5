//! The part of a completion in which an answer is looked for, and its sentences.

/// Phrases that announce an answer, in lower case.
const ANSWER_PHRASES: [&str; 8] = [
    "answer is",
    "answer would be",
    "answer should be",
    "answer (arabic numerals) is",
    "answer (yes or no) is",
    "answer:",
    "answer =",
    "\\boxed",
];

/// A text, and whether the answer was announced right before it.
pub(super) struct Scope<'t> {
    text: &'t str,
    announced: bool,
}

impl<'t> Scope<'t> {
    /// A text that follows an announcement of the answer.
    pub(super) fn announced(text: &'t str) -> Self {
        Self { text, announced: true }
    }

    /// A text of which nothing is known.
    pub(super) fn free(text: &'t str) -> Self {
        Self { text, announced: false }
    }

    /// The whole text.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    pub(super) fn is_announced(&self) -> bool {
        self.announced
    }

    /// What `read` makes of the sentence that gives the answer: the first usable one where the answer was announced or
    /// where `opens` says that the text begins with it, else the last usable one.
    pub(super) fn deciding<T>(&self, opens: impl Fn(&str) -> bool, read: impl Fn(&'t str) -> Option<T>) -> Option<T> {
        let sentences = sentences(self.text);
        let forward = self.announced || sentences.first().is_some_and(|first| opens(first));
        if forward { sentences.into_iter().find_map(read) } else { sentences.into_iter().rev().find_map(read) }
    }
}

/// `text` up to the line on which a model without a stop string asks itself the next question.
pub(super) fn before_next_question(text: &str) -> &str {
    text.match_indices("\nQ:").find(|(at, _)| !text[..*at].trim().is_empty()).map_or(text, |(at, _)| &text[..at])
}

/// The parts of `text` after each answer phrase, up to the next.
pub(super) fn after_answer_phrases(text: &str) -> Vec<&str> {
    let lower = text.to_ascii_lowercase();
    let mut announcements: Vec<_> = ANSWER_PHRASES
        .iter()
        .flat_map(|phrase| lower.match_indices(phrase).map(|(at, found)| (at, at + found.len())))
        .collect();
    announcements.sort_unstable();
    let next = announcements.iter().skip(1).map(|(start, _)| *start).chain([text.len()]);
    announcements.iter().zip(next).filter_map(|((_, end), next)| text.get(*end..next)).collect()
}

/// The sentences of `text` that hold more than blanks. A sentence ends at a line break or at `.`, `!`, `?` before a blank.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let before_blank = characters.peek().is_none_or(|(_, next)| next.is_whitespace());
        if character == '\n' || (matches!(character, '.' | '!' | '?') && before_blank) {
            let end = at + character.len_utf8();
            found.push(&text[start..end]);
            start = end;
        }
    }
    found.push(&text[start..]);
    found.retain(|sentence| sentence.contains(char::is_alphanumeric));
    found
}

/// The words of `text`: runs of letters and digits, with the byte range of each.
pub(super) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr().addr() - text.as_ptr().addr(), word))
}
