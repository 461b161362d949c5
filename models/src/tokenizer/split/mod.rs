//! Cutting text into the pieces that merges never cross.
//!
//! Published tokenizers state the cut as a regular expression with look-ahead. Compiling one costs more than opening a
//! student, so the few that are in use are scanners here, and a property test holds each to its expression. All are linear in
//! the length of the text.

mod classes;
mod gpt2;
mod runs;
#[cfg(test)]
mod tests;

pub(super) use classes::Classes;

/// How text is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Splitter {
    /// Not at all.
    Whole,
    /// As GPT-2 does: the expression of the library's `ByteLevel`.
    Gpt2,
    /// Every numeric character apart, the rest as GPT-2 does: SmolLM2 and the students trained from scratch.
    DigitsGpt2,
    /// As Llama 3 does: up to three digits together.
    Llama3,
    /// As Qwen 2, 2.5 and 3 do: every digit apart.
    Qwen2,
}

/// The expression of Llama 3.
pub(super) const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The expression of Qwen 2, 2.5 and 3.
pub(super) const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl Splitter {
    /// Every splitter and its number in the file.
    const CODES: [(u8, Self); 5] =
        [(0, Self::Whole), (1, Self::Gpt2), (2, Self::DigitsGpt2), (3, Self::Llama3), (4, Self::Qwen2)];

    /// The splitter with number `code`.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::CODES.into_iter().find(|&(known, _)| known == code).map(|(_, splitter)| splitter)
    }

    /// Its number in the file.
    pub(super) fn code(self) -> u8 {
        Self::CODES.into_iter().find(|&(_, splitter)| splitter == self).map_or(0, |(code, _)| code)
    }

    /// Calls `each` with every piece of `text`, in order; together they are the text.
    pub(super) fn pieces<'t>(self, classes: &Classes, text: &'t str, mut each: impl FnMut(&'t str)) {
        match self {
            Self::Whole if text.is_empty() => {}
            Self::Whole => each(text),
            Self::Gpt2 => cut(text, |rest| gpt2::piece(classes, rest), &mut each),
            Self::Llama3 => cut(text, |rest| runs::piece(classes, rest, 3), &mut each),
            Self::Qwen2 => cut(text, |rest| runs::piece(classes, rest, 1), &mut each),
            Self::DigitsGpt2 => {
                let mut segments = |segment| cut(segment, |rest| gpt2::piece(classes, rest), &mut each);
                let mut start = 0;
                for (index, character) in text.char_indices().filter(|(_, character)| character.is_numeric()) {
                    segments(&text[start..index]);
                    start = index + character.len_utf8();
                    segments(&text[index..start]);
                }
                segments(&text[start..]);
            }
        }
    }
}

fn cut<'t>(text: &'t str, piece: impl Fn(&str) -> usize, each: &mut impl FnMut(&'t str)) {
    let mut rest = text;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(piece(rest));
        each(head);
        rest = tail;
    }
}

/// Length of the contraction at the start of `text`: `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d`.
fn contraction(text: &str, any_case: bool) -> Option<usize> {
    let mut characters = text.strip_prefix('\'')?.chars().map(|character| match character {
        // The only character outside ASCII that any of these letters matches when case is ignored.
        'ſ' if any_case => 's',
        _ if any_case => character.to_ascii_lowercase(),
        _ => character,
    });
    let letters = match (characters.next()?, characters.next()) {
        ('s' | 't' | 'm' | 'd', _) => 1,
        ('r' | 'v', Some('e')) | ('l', Some('l')) => 2,
        _ => return None,
    };
    let length: usize = text.chars().take(1 + letters).map(char::len_utf8).sum();
    Some(length)
}

/// Length of the piece of white space at the start of `text`, whose run of white space has `run` bytes: the last
/// character is left to the word that follows, as `\s+(?!\S)|\s+` says.
fn white_space(text: &str, run: usize) -> usize {
    let last = text[..run].char_indices().next_back().map_or(0, |(index, _)| index);
    if run == text.len() || last == 0 { run } else { last }
}
