//! Which characters are letters, numbers, blanks and symbols, as the patterns of tokenizers mean it.

use std::sync::OnceLock;

use regex_syntax::hir::{Class as HirClass, HirKind};

/// What a pattern distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `\p{L}`
    Letter,
    /// `\p{N}`
    Number,
    /// `\r` or `\n`
    LineEnd,
    /// `\s`, but no line end
    Blank,
    /// Everything else: `[^\s\p{L}\p{N}]`
    Symbol,
}

/// The Unicode tables of the regular expressions that the tokenizer library uses, so that both always agree.
#[derive(Debug)]
pub(crate) struct Classes {
    letters: Vec<(char, char)>,
    numbers: Vec<(char, char)>,
}

impl Classes {
    /// The tables, read once; `None` if the regular expression library lacks them, which its features rule out.
    pub(crate) fn get() -> Option<&'static Self> {
        static CLASSES: OnceLock<Option<Classes>> = OnceLock::new();
        CLASSES.get_or_init(|| Some(Self { letters: ranges(r"\p{L}")?, numbers: ranges(r"\p{N}")? })).as_ref()
    }

    pub(super) fn of(&self, character: char) -> Class {
        match character {
            'a'..='z' | 'A'..='Z' => Class::Letter,
            '0'..='9' => Class::Number,
            '\r' | '\n' => Class::LineEnd,
            _ if character.is_whitespace() => Class::Blank,
            _ if character.is_ascii() => Class::Symbol,
            _ if contains(&self.letters, character) => Class::Letter,
            _ if contains(&self.numbers, character) => Class::Number,
            _ => Class::Symbol,
        }
    }

    /// Class of the first character of `text`.
    pub(super) fn of_first(&self, text: &str) -> Option<Class> {
        text.chars().next().map(|character| self.of(character))
    }

    /// End of the run of characters that `belongs` accepts, from byte `start` of `text`; at most `limit` characters.
    pub(super) fn run(&self, text: &str, start: usize, limit: usize, belongs: impl Fn(Class) -> bool) -> usize {
        let rest = &text[start..];
        let ends = rest.char_indices().take(limit).find(|&(_, character)| !belongs(self.of(character)));
        let within_limit = || rest.char_indices().nth(limit).map_or(rest.len(), |(index, _)| index);
        start + ends.map_or_else(within_limit, |(index, _)| index)
    }
}

fn contains(ranges: &[(char, char)], character: char) -> bool {
    let after = ranges.partition_point(|&(first, _)| first <= character);
    after > 0 && character <= ranges[after - 1].1
}

fn ranges(pattern: &str) -> Option<Vec<(char, char)>> {
    match regex_syntax::parse(pattern).ok()?.into_kind() {
        HirKind::Class(HirClass::Unicode(class)) => {
            Some(class.ranges().iter().map(|range| (range.start(), range.end())).collect())
        }
        _ => None,
    }
}
