//! The header of the tables, and where the sections lie.

use super::super::TokenizerError;
use super::super::split::Splitter;
use crate::digest::Digest;

/// First bytes of the file.
pub(crate) const MAGIC: &[u8; 8] = b"PUPILTOK";
/// Version of the layout.
pub(crate) const VERSION: u32 = 1;
/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = 96;
/// Bytes of one merge: left, right and merged id.
pub(crate) const MERGE_BYTES: usize = 12;
/// Bytes of one added token: start, length, id, parent, flags.
pub(crate) const ADDED_BYTES: usize = 20;

/// Most tokens; ids are below it. Far above any published vocabulary.
pub(crate) const MAX_TOKENS: u32 = 1 << 20;
/// Most merges: some vocabularies list every way to build a token.
pub(crate) const MAX_MERGES: u32 = 1 << 22;
/// Most bytes of all tokens together.
pub(crate) const MAX_TEXT_BYTES: u32 = 64 << 20;
/// Most added tokens of either kind.
pub(crate) const MAX_ADDED: u32 = 1 << 16;
/// Most slots that a look-up may have to visit; a table that needs more was not made by this crate.
pub(crate) const MAX_PROBE: u32 = 1 << 12;

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) splitter: Splitter,
    /// Text is brought into Unicode's normalisation form C.
    pub(crate) composes: bool,
    /// One more than the largest id.
    pub(crate) tokens: u32,
    /// Ids that are in use.
    pub(crate) vocabulary: u32,
    pub(crate) merges: u32,
    pub(crate) word_slots: u32,
    pub(crate) merge_slots: u32,
    /// Most slots that a look-up of a present key visits, in either hash table.
    pub(crate) longest_probe: u32,
    /// Added tokens that are looked for in the text as it comes, and in the normalised text.
    pub(crate) added: [u32; 2],
    pub(crate) text_bytes: u32,
    /// Digest of the `tokenizer.json`.
    pub(crate) source: Digest,
}

impl Header {
    pub(crate) fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12] = self.splitter.code();
        bytes[13] = self.composes.into();
        for (field, number) in bytes[16..52].as_chunks_mut::<4>().0.iter_mut().zip(self.numbers()) {
            *field = number.to_le_bytes();
        }
        bytes[52..84].copy_from_slice(&self.source.to_bytes());
        bytes
    }

    fn numbers(&self) -> [u32; 9] {
        let [raw, normalised] = self.added;
        [
            self.tokens,
            self.vocabulary,
            self.merges,
            self.word_slots,
            self.merge_slots,
            self.longest_probe,
            raw,
            normalised,
            self.text_bytes,
        ]
    }

    /// Reads and checks the header of a file.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, TokenizerError> {
        let bytes = file.first_chunk::<HEADER_BYTES>().ok_or_else(|| refuse(HEADER_BYTES, file.len(), "bytes"))?;
        if !bytes.starts_with(MAGIC) {
            return Err(refuse("a file that begins with `PUPILTOK`", "another beginning", ""));
        }
        let version = word(bytes, 8);
        if version != VERSION {
            return Err(refuse(format!("version {VERSION}"), version, ""));
        }
        let splitter = Splitter::from_code(bytes[12]).ok_or_else(|| refuse("a known splitter", bytes[12], ""))?;
        let mut source = [0; 32];
        source.copy_from_slice(&bytes[52..84]);
        let header = Self {
            splitter,
            composes: bytes[13] == 1,
            tokens: word(bytes, 16),
            vocabulary: word(bytes, 20),
            merges: word(bytes, 24),
            word_slots: word(bytes, 28),
            merge_slots: word(bytes, 32),
            longest_probe: word(bytes, 36),
            added: [word(bytes, 40), word(bytes, 44)],
            text_bytes: word(bytes, 48),
            source: Digest::from_bytes(source),
        };
        // Every byte of the header has one legal meaning, so that a damaged one is noticed.
        if header.to_bytes() != *bytes {
            return Err(refuse("unused bytes of the header to be zero", "others", ""));
        }
        header.check_limits()?;
        let expected = Layout::of(&header).end;
        if expected == file.len() { Ok(header) } else { Err(refuse(expected, file.len(), "bytes")) }
    }

    fn check_limits(&self) -> Result<(), TokenizerError> {
        let limits = [
            ("tokens", self.tokens, MAX_TOKENS),
            ("vocabulary", self.vocabulary, self.tokens),
            ("merges", self.merges, MAX_MERGES),
            ("word slots", self.word_slots, 2 * MAX_TOKENS),
            ("merge slots", self.merge_slots, 2 * MAX_MERGES),
            ("slots to visit", self.longest_probe, MAX_PROBE),
            ("added tokens", self.added[0].max(self.added[1]), MAX_ADDED),
            ("bytes of text", self.text_bytes, MAX_TEXT_BYTES),
        ];
        if let Some((what, found, most)) = limits.into_iter().find(|&(_, found, most)| found > most) {
            return Err(refuse(format!("at most {most} {what}"), found, ""));
        }
        let slots = [self.word_slots, self.merge_slots];
        match slots.into_iter().find(|slots| !slots.is_power_of_two()) {
            Some(slots) => Err(refuse("a power of two of slots", slots, "")),
            None => Ok(()),
        }
    }
}

/// Where the sections begin, in bytes from the start of the file. They follow from the counts in the header alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) byte_ids: usize,
    pub(crate) starts: usize,
    pub(crate) kinds: usize,
    pub(crate) text: usize,
    pub(crate) words: usize,
    pub(crate) merge_slots: usize,
    pub(crate) merges: usize,
    pub(crate) added: usize,
    pub(crate) end: usize,
}

impl Layout {
    pub(crate) fn of(header: &Header) -> Self {
        let count = |number: u32| number as usize;
        let byte_ids = HEADER_BYTES;
        let starts = byte_ids + 4 * 256;
        let kinds = starts + 4 * (count(header.tokens) + 1);
        let text = kinds + count(header.tokens).next_multiple_of(4);
        let words = text + count(header.text_bytes).next_multiple_of(4);
        let merge_slots = words + 4 * count(header.word_slots);
        let merges = merge_slots + 4 * count(header.merge_slots);
        let added = merges + MERGE_BYTES * count(header.merges);
        let end = added + ADDED_BYTES * (count(header.added[0]) + count(header.added[1]));
        Self { byte_ids, starts, kinds, text, words, merge_slots, merges, added, end }
    }
}

fn word(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The refusal of a file that has `found` where the format asks for `expected`.
pub(crate) fn refuse(expected: impl ToString, found: impl ToString, unit: &str) -> TokenizerError {
    let with_unit = |number: String| format!("{number} {unit}").trim_end().to_owned();
    TokenizerError::Tables { expected: with_unit(expected.to_string()), found: with_unit(found.to_string()) }
}
