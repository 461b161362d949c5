//! Finding added tokens in text, as the tokenizer library does: the leftmost first, the longest of those.

use std::cmp::Ordering;

use super::super::TokenizerError;
use super::header::refuse;
use super::tables::{AddedToken, Tables};

/// Bits of an added token's flags.
pub(crate) mod flag {
    /// Only where no word character is beside it.
    pub(crate) const SINGLE_WORD: u32 = 1;
    /// Takes the white space before it.
    pub(crate) const STRIPS_LEFT: u32 = 2;
    /// Takes the white space after it.
    pub(crate) const STRIPS_RIGHT: u32 = 4;
}

/// A part of a text.
pub(super) enum Part<'t> {
    Text(&'t str),
    Token(u32),
}

/// One of the two lists of added tokens, in ascending order of their bytes.
pub(super) struct AddedTokens {
    first: u32,
    count: u32,
    /// Bytes that some token begins with.
    begins: [bool; 256],
}

impl AddedTokens {
    /// Reads and checks the `count` added tokens from number `first` on.
    pub(super) fn read(tables: &Tables, first: u32, count: u32) -> Result<Self, TokenizerError> {
        let mut begins = [false; 256];
        let mut last: &[u8] = &[];
        for index in 0..count {
            let token = tables.added(first + index);
            let legal =
                |token: &AddedToken<'_>| token.content > last && token.parent.is_none_or(|parent| parent < index);
            let token = token.filter(legal).ok_or_else(|| {
                refuse(
                    "added tokens in ascending order, each after those it begins with",
                    format!("number {index}"),
                    "",
                )
            })?;
            begins[usize::from(token.content[0])] = true;
            last = token.content;
        }
        Ok(Self { first, count, begins })
    }

    /// Id of the token that is `content`.
    pub(super) fn id_of(&self, tables: &Tables, content: &[u8]) -> Option<u32> {
        let token = self.last_up_to(tables, content)?;
        (token.content == content).then_some(token.id)
    }

    /// The token with id `id`.
    pub(super) fn with_id<'t>(&self, tables: &'t Tables, id: u32) -> Option<&'t [u8]> {
        let tokens = (0..self.count).filter_map(|index| tables.added(self.first + index));
        tokens.into_iter().find(|token| token.id == id).map(|token| token.content)
    }

    /// Calls `each` with the parts of `text`, in order.
    pub(super) fn split<'t>(&self, tables: &Tables, text: &'t str, mut each: impl FnMut(Part<'t>)) {
        let (mut done, mut position) = (0, 0);
        while let Some((begin, token)) = self.next_match(tables, text, position) {
            position = begin + token.content.len();
            let Some((start, stop)) = extent(text, token, begin, done) else { continue };
            if done < start {
                each(Part::Text(&text[done..start]));
            }
            each(Part::Token(token.id));
            done = stop;
        }
        if done < text.len() {
            each(Part::Text(&text[done..]));
        }
    }

    /// The next token in `text` from byte `position` on, and where it begins.
    fn next_match<'t>(&self, tables: &'t Tables, text: &str, position: usize) -> Option<(usize, AddedToken<'t>)> {
        if self.count == 0 {
            return None;
        }
        let candidates = text.bytes().enumerate().skip(position).filter(|&(_, byte)| self.begins[usize::from(byte)]);
        candidates.into_iter().find_map(|(begin, _)| {
            let token = self.longest_prefix(tables, &text.as_bytes()[begin..])?;
            // Damaged tables may hold tokens that begin or end inside a character.
            let is_whole = text.is_char_boundary(begin) && text.is_char_boundary(begin + token.content.len());
            is_whole.then_some((begin, token))
        })
    }

    /// The longest token that `text` begins with: the last one up to `text`, or one that this one begins with.
    fn longest_prefix<'t>(&self, tables: &'t Tables, text: &[u8]) -> Option<AddedToken<'t>> {
        let mut token = self.last_up_to(tables, text)?;
        while !text.starts_with(token.content) {
            token = tables.added(self.first + token.parent?)?;
        }
        Some(token)
    }

    /// The last token that is not after `text` in the order of bytes.
    fn last_up_to<'t>(&self, tables: &'t Tables, text: &[u8]) -> Option<AddedToken<'t>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            match tables.added(self.first + middle)?.content.cmp(text) {
                Ordering::Greater => high = middle,
                _ => low = middle + 1,
            }
        }
        tables.added(self.first + low.checked_sub(1)?)
    }
}

/// What a token found at `begin` takes of `text`, of which everything before `done` is taken; `None` if it may not stand there.
fn extent(text: &str, token: AddedToken<'_>, begin: usize, done: usize) -> Option<(usize, usize)> {
    let (mut start, mut stop) = (begin, begin + token.content.len());
    let (before, after) = (&text[..start], &text[stop..]);
    let is_word = |character: Option<char>| {
        character.is_some_and(|character| regex_syntax::try_is_word_character(character).unwrap_or(false))
    };
    let touches_word = || is_word(before.chars().next_back()) || is_word(after.chars().next());
    if token.flags & flag::SINGLE_WORD != 0 && touches_word() {
        return None;
    }
    if token.flags & flag::STRIPS_LEFT != 0 {
        start = before.trim_end().len().max(done);
    }
    if token.flags & flag::STRIPS_RIGHT != 0 {
        stop += after.len() - after.trim_start().len();
    }
    Some((start, stop))
}
