//! The tables of a tokenizer, collected and laid out.

use std::collections::{HashMap, HashSet};

use super::super::alphabet::bytes_of_name;
use super::super::mapped::{
    Header, Layout, MAX_ADDED, MAX_MERGES, MAX_PROBE, MAX_TEXT_BYTES, MAX_TOKENS, flag, home_of_pair, home_of_text,
    kind,
};
use super::kind::Recipe;
use super::slots::Slots;
use crate::digest::Digest;

/// A token and what is known about it.
#[derive(Clone, Default)]
struct Token {
    bytes: Vec<u8>,
    kind: u8,
    /// Whether pieces may become it: it is the model's own and spelled in bytes.
    is_word: bool,
}

/// An added token.
struct Added {
    content: String,
    id: u32,
    flags: u32,
}

/// Everything that the file holds.
pub(super) struct Parts {
    recipe: (super::super::split::Splitter, bool),
    source: Digest,
    byte_ids: Vec<u32>,
    tokens: Vec<Token>,
    merges: Vec<[u32; 3]>,
    /// Those looked for in the text as it comes, and those looked for in the normalised text.
    added: [Vec<Added>; 2],
    words: Slots,
    merge_slots: Slots,
}

impl Parts {
    /// Collects the tables of `library`, a parsed tokenizer of the kind `recipe`; the error names what has none.
    pub(super) fn collect(library: &tokenizers::Tokenizer, recipe: &Recipe, source: Digest) -> Result<Self, String> {
        let byte_ids = byte_ids(recipe)?;
        let tokens = tokens(library, recipe)?;
        let merges = merges(recipe)?;
        let added = added(library)?;
        let words = Slots::of(tokens.iter().map(|token| token.is_word.then(|| home_of_text(&token.bytes))));
        let merge_slots = Slots::of(merges.iter().map(|merge| Some(home_of_pair(merge[0], merge[1]))));
        let recipe = (recipe.splitter, recipe.composes);
        let parts = Self { recipe, source, byte_ids, tokens, merges, added, words, merge_slots };
        let header = parts.header();
        let limits = [
            ("tokens", header.tokens, MAX_TOKENS),
            ("merges", header.merges, MAX_MERGES),
            ("added tokens", header.added[0].max(header.added[1]), MAX_ADDED),
            ("bytes of text", header.text_bytes, MAX_TEXT_BYTES),
            ("slots to visit", header.longest_probe, MAX_PROBE),
        ];
        match limits.into_iter().find(|&(_, found, most)| found > most) {
            Some((what, found, _)) => Err(format!("{found} {what}")),
            None => Ok(parts),
        }
    }

    /// Lets pieces become only those tokens that `is_whole` accepts without any merge.
    pub(super) fn keep_whole(&mut self, is_whole: impl Fn(u32, &[u8]) -> bool) {
        for (token, id) in self.tokens.iter_mut().zip(0..) {
            if token.kind & kind::WHOLE != 0 && !is_whole(id, &token.bytes) {
                token.kind &= !kind::WHOLE;
            }
        }
    }

    fn header(&self) -> Header {
        let (splitter, composes) = self.recipe;
        let texts = self.tokens.iter().map(|token| token.bytes.len());
        let contents = self.added.iter().flatten().map(|added| added.content.len());
        Header {
            splitter,
            composes,
            tokens: self.tokens.len() as u32,
            vocabulary: self.tokens.iter().filter(|token| token.kind & kind::PRESENT != 0).count() as u32,
            merges: self.merges.len() as u32,
            word_slots: self.words.slots.len() as u32,
            merge_slots: self.merge_slots.slots.len() as u32,
            longest_probe: self.words.longest_probe.max(self.merge_slots.longest_probe),
            added: [self.added[0].len() as u32, self.added[1].len() as u32],
            text_bytes: u32::try_from(texts.chain(contents).sum::<usize>()).unwrap_or(u32::MAX),
            source: self.source,
        }
    }

    /// The file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let header = self.header();
        let layout = Layout::of(&header);
        let mut file = Vec::with_capacity(layout.end);
        file.extend_from_slice(&header.to_bytes());
        extend(&mut file, self.byte_ids.iter().copied());
        let starts = self.tokens.iter().scan(0, |end, token| {
            *end += token.bytes.len() as u32;
            Some(*end)
        });
        extend(&mut file, std::iter::once(0).chain(starts));
        file.extend(self.tokens.iter().map(|token| token.kind));
        file.resize(layout.text, 0);
        self.tokens.iter().for_each(|token| file.extend_from_slice(&token.bytes));
        let mut contents = (file.len() - layout.text) as u32;
        self.added.iter().flatten().for_each(|added| file.extend_from_slice(added.content.as_bytes()));
        file.resize(layout.words, 0);
        extend(&mut file, self.words.slots.iter().copied());
        extend(&mut file, self.merge_slots.slots.iter().copied());
        extend(&mut file, self.merges.iter().flatten().copied());
        for list in &self.added {
            for (index, token) in list.iter().enumerate() {
                let length = token.content.len() as u32;
                extend(&mut file, [contents, length, token.id, parent(list, index), token.flags]);
                contents += length;
            }
        }
        file
    }
}

fn extend(file: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>) {
    file.extend(numbers.into_iter().flat_map(u32::to_le_bytes));
}

/// One more than the index of the longest other token that token `index` begins with, or 0.
fn parent(list: &[Added], index: usize) -> u32 {
    let content = &list[index].content;
    list[..index].iter().rposition(|other| content.starts_with(&other.content)).map_or(0, |parent| parent as u32 + 1)
}

fn byte_ids(recipe: &Recipe) -> Result<Vec<u32>, String> {
    let singles = recipe.vocab.iter().filter_map(|(name, &id)| match bytes_of_name(name)?.as_slice() {
        [byte] => Some((*byte, id)),
        _ => None,
    });
    let ids: HashMap<u8, u32> = singles.collect();
    let id = |byte| ids.get(&byte).copied().ok_or_else(|| format!("no token for the byte {byte:#04x}"));
    (0..=u8::MAX).map(id).collect()
}

fn tokens(library: &tokenizers::Tokenizer, recipe: &Recipe) -> Result<Vec<Token>, String> {
    let vocab = library.get_vocab(true);
    let added = library.get_added_tokens_decoder();
    let special: HashSet<&str> =
        added.values().filter(|token| token.special).map(|token| token.content.as_str()).collect();
    let count = vocab.values().max().map_or(0, |&id| id as usize + 1);
    if count > MAX_TOKENS as usize {
        return Err(format!("the id {}", count - 1));
    }
    let mut tokens = vec![Token::default(); count];
    for (name, &id) in &vocab {
        let token = &mut tokens[id as usize];
        let decoded = library.id_to_token(id);
        // Where two names share an id, or a name is normalised away, what an id decodes to depends on the library's order.
        if token.kind != 0 || decoded.as_ref() != Some(name) {
            return Err(format!("the token {name:?} that is not the only one with id {id}"));
        }
        token.kind = kind::PRESENT | if special.contains(name.as_str()) { kind::SPECIAL } else { 0 };
        let spelled = bytes_of_name(name);
        if recipe.vocab.contains_key(name) {
            match &spelled {
                Some(_) => token.is_word = true,
                None if added.contains_key(&id) => {}
                None => return Err(format!("the token {name:?} that is not spelled in bytes")),
            }
        }
        token.kind |= if token.is_word { kind::WHOLE } else { 0 };
        token.bytes = spelled.unwrap_or_else(|| name.clone().into_bytes());
    }
    Ok(tokens)
}

fn merges(recipe: &Recipe) -> Result<Vec<[u32; 3]>, String> {
    let id = |name: &str| recipe.vocab.get(name).copied().ok_or_else(|| format!("no token {name:?} for a merge"));
    let mut merges = Vec::with_capacity(recipe.merges.len());
    for (left, right) in &recipe.merges {
        merges.push([id(left)?, id(right)?, id(&format!("{left}{right}"))?]);
    }
    // Of merges of the same pair the last one counts.
    let mut seen = HashSet::new();
    merges.reverse();
    merges.retain(|merge| seen.insert([merge[0], merge[1]]));
    merges.reverse();
    Ok(merges)
}

fn added(library: &tokenizers::Tokenizer) -> Result<[Vec<Added>; 2], String> {
    let mut lists = [Vec::new(), Vec::new()];
    for (id, token) in library.get_added_tokens_decoder() {
        // The library forgets neither of two added tokens with one content, nor does it say which one it finds.
        if library.token_to_id(&token.content) != Some(id) {
            return Err(format!("the added token {:?} twice", token.content));
        }
        let flags = [
            (token.single_word, flag::SINGLE_WORD),
            (token.lstrip, flag::STRIPS_LEFT),
            (token.rstrip, flag::STRIPS_RIGHT),
        ];
        let flags = flags.into_iter().map(|(is_set, bit)| if is_set { bit } else { 0 }).sum();
        lists[usize::from(token.normalized)].push(Added { content: token.content, id, flags });
    }
    lists.iter_mut().for_each(|list| list.sort_unstable_by(|left, right| left.content.cmp(&right.content)));
    Ok(lists)
}
