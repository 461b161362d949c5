//! A tokenizer that is used where it lies: the tables of `tokenizer.bin`, mapped.
//!
//! `models/README.md` specifies the file byte by byte. Opening reads the header and the added tokens; everything else is paged
//! in when a text needs it, and every access is checked, because its content was not.

mod added;
mod hash;
mod header;
mod merge;
mod queue;
mod tables;

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use unicode_normalization_alignments::UnicodeNormalization;

pub(super) use added::flag;
pub(super) use hash::{home_of_pair, home_of_text, walk};
pub(super) use header::{Header, Layout, MAX_ADDED, MAX_MERGES, MAX_PROBE, MAX_TEXT_BYTES, MAX_TOKENS};
pub(super) use merge::NO_BYTE;
pub(super) use tables::kind;

use super::TokenizerError;
use super::alphabet::{bytes_of_name, name_of_bytes};
use super::split::Classes;
use crate::digest::Digest;
use crate::map::map_read_only;
use added::{AddedTokens, Part};
use merge::Merger;
use tables::{Storage, Tables};

/// The first character that another one before it may combine with.
const FIRST_COMBINING: char = '\u{300}';

/// A tokenizer whose tables are mapped.
pub(super) struct MappedTokenizer {
    tables: Tables,
    classes: &'static Classes,
    byte_ids: [u32; 256],
    /// Looked for in the text as it comes.
    raw: AddedTokens,
    /// Looked for in the normalised text.
    normalised: AddedTokens,
}

impl MappedTokenizer {
    /// Maps the file at `path`, which must be made of the `tokenizer.json` whose digest is `source`.
    pub(super) fn map(path: &Path, source: Digest) -> Result<Self, TokenizerError> {
        let map = File::open(path).and_then(|file| map_read_only(&file));
        let map = map.map_err(|source| TokenizerError::Read { path: path.to_owned(), source })?;
        Self::new(Storage::Mapped(map), source)
    }

    pub(super) fn from_bytes(bytes: Vec<u8>, source: Digest) -> Result<Self, TokenizerError> {
        Self::new(Storage::Held(bytes), source)
    }

    fn new(storage: Storage, source: Digest) -> Result<Self, TokenizerError> {
        let tables = Tables::new(storage)?;
        let header = tables.header();
        if header.source != source {
            return Err(header::refuse(format!("tables of the tokenizer {source}"), header.source, ""));
        }
        let classes = Classes::get()
            .ok_or_else(|| TokenizerError::Failed { reason: "the tables of Unicode are missing".to_owned() })?;
        let [raw, normalised] = header.added;
        Ok(Self {
            byte_ids: tables.byte_ids(),
            raw: AddedTokens::read(&tables, 0, raw)?,
            normalised: AddedTokens::read(&tables, raw, normalised)?,
            classes,
            tables,
        })
    }

    /// Token ids of `text`.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        // Positions are 32-bit numbers, two of which mean something else. Normalising may lengthen a text threefold.
        if text.len() > u32::MAX as usize / 4 {
            return Err(TokenizerError::Failed { reason: format!("a text of {} bytes is too long", text.len()) });
        }
        let mut ids = Vec::with_capacity(text.len() / 3);
        let mut merger = Merger::default();
        self.raw.split(&self.tables, text, |part| match part {
            Part::Token(id) => ids.push(id),
            Part::Text(text) => {
                let text = self.normalise(text);
                self.normalised.split(&self.tables, &text, |part| match part {
                    Part::Token(id) => ids.push(id),
                    Part::Text(text) => self.encode_plain(text, &mut merger, &mut ids),
                });
            }
        });
        let tokens = self.tables.header().tokens;
        match ids.iter().find(|&&id| id >= tokens) {
            Some(id) => Err(TokenizerError::Failed { reason: format!("its tables are damaged: they name token {id}") }),
            None => Ok(ids),
        }
    }

    fn normalise<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.tables.header().composes || text.chars().all(|character| character < FIRST_COMBINING) {
            return Cow::Borrowed(text);
        }
        Cow::Owned(text.nfc().map(|(character, _)| character).collect())
    }

    fn encode_plain(&self, text: &str, merger: &mut Merger, ids: &mut Vec<u32>) {
        self.tables.header().splitter.pieces(self.classes, text, |piece| {
            let piece = piece.as_bytes();
            let whole = self.tables.token_of(piece).filter(|&id| self.tables.kind_of(id) & kind::WHOLE != 0);
            match whole {
                Some(id) => ids.push(id),
                None => merger.append(&self.tables, &self.byte_ids, piece, ids),
            }
        });
    }

    /// Ids that merges alone give `piece`.
    pub(super) fn merged(&self, piece: &[u8]) -> Vec<u32> {
        let mut ids = Vec::new();
        Merger::default().append(&self.tables, &self.byte_ids, piece, &mut ids);
        ids
    }

    /// Text of `ids`; ids that are not in use and special tokens are left out.
    pub(super) fn decode(&self, ids: &[u32]) -> String {
        let shown = |id: u32| self.tables.kind_of(id) & (kind::PRESENT | kind::SPECIAL) == kind::PRESENT;
        let tokens = ids.iter().filter(|&&id| shown(id)).filter_map(|&id| self.tables.bytes_of(id));
        let bytes = tokens.fold(Vec::new(), |mut bytes, token| {
            bytes.extend_from_slice(token);
            bytes
        });
        String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// Number of ids in use.
    pub(super) fn vocab_size(&self) -> usize {
        self.tables.header().vocabulary as usize
    }

    /// Id of a token by its literal name.
    pub(super) fn token_id(&self, name: &str) -> Option<u32> {
        let added =
            [&self.raw, &self.normalised].into_iter().find_map(|list| list.id_of(&self.tables, name.as_bytes()));
        added.or_else(|| self.tables.token_of(&bytes_of_name(name)?))
    }

    /// Whether the id is in use.
    pub(super) fn has(&self, id: u32) -> bool {
        self.tables.kind_of(id) & kind::PRESENT != 0
    }

    /// Name and id of the first token whose id is not below `limit`.
    pub(super) fn first_token_from(&self, limit: usize) -> Option<(String, u32)> {
        let id = (u32::try_from(limit).ok()?..self.tables.header().tokens).find(|&id| self.has(id))?;
        let added = [&self.raw, &self.normalised].into_iter().find_map(|list| list.with_id(&self.tables, id));
        let name = match added {
            Some(content) => String::from_utf8_lossy(content).into_owned(),
            None => name_of_bytes(self.tables.bytes_of(id).unwrap_or_default()),
        };
        Some((name, id))
    }
}
