//! Bounds-checked access to the sections. The content is not trusted: it was not read when the file was opened.

use std::ops::Deref;

use memmap2::Mmap;

use super::super::TokenizerError;
use super::hash::{home_of_pair, home_of_text, walk};
use super::header::{ADDED_BYTES, Header, Layout, MERGE_BYTES};

/// Bits of a token's kind.
pub(crate) mod kind {
    /// The id is in use.
    pub(crate) const PRESENT: u8 = 1;
    /// Left out when ids are decoded.
    pub(crate) const SPECIAL: u8 = 2;
    /// A piece of exactly these bytes becomes this one token.
    pub(crate) const WHOLE: u8 = 4;
}

/// The file, mapped or held.
pub(super) enum Storage {
    Mapped(Mmap),
    Held(Vec<u8>),
}

impl Deref for Storage {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }
}

/// An added token.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddedToken<'t> {
    pub(super) content: &'t [u8],
    pub(super) id: u32,
    /// Index in the same list of the longest other token that this one begins with.
    pub(super) parent: Option<u32>,
    pub(super) flags: u32,
}

/// The file and where its sections lie.
pub(super) struct Tables {
    file: Storage,
    header: Header,
    layout: Layout,
}

impl Tables {
    pub(super) fn new(file: Storage) -> Result<Self, TokenizerError> {
        let header = Header::parse(&file)?;
        let layout = Layout::of(&header);
        Ok(Self { file, header, layout })
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Number `index` of the numbers that begin at byte `start`.
    fn number(&self, start: usize, index: u32) -> Option<u32> {
        self.file.get(start + 4 * index as usize..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// Ids of the 256 bytes.
    pub(super) fn byte_ids(&self) -> [u32; 256] {
        std::array::from_fn(|byte| self.number(self.layout.byte_ids, byte as u32).unwrap_or(u32::MAX))
    }

    fn text(&self, start: u32, end: u32) -> Option<&[u8]> {
        let inside = end <= self.header.text_bytes;
        inside.then(|| self.file.get(self.layout.text + start as usize..self.layout.text + end as usize)).flatten()
    }

    /// What token `id` decodes to.
    pub(super) fn bytes_of(&self, id: u32) -> Option<&[u8]> {
        if id >= self.header.tokens {
            return None;
        }
        self.text(self.number(self.layout.starts, id)?, self.number(self.layout.starts, id + 1)?)
    }

    /// Bits of [`kind`]; none for an id that is not in use.
    pub(super) fn kind_of(&self, id: u32) -> u8 {
        if id >= self.header.tokens {
            return 0;
        }
        self.file.get(self.layout.kinds + id as usize).copied().unwrap_or(0)
    }

    /// The token of the model that `bytes` are.
    pub(super) fn token_of(&self, bytes: &[u8]) -> Option<u32> {
        walk(home_of_text(bytes), self.header.word_slots, self.header.longest_probe)
            .map_while(|slot| self.number(self.layout.words, slot)?.checked_sub(1))
            .find(|&id| self.bytes_of(id) == Some(bytes))
    }

    /// Left, right and merged id of merge number `rank`.
    pub(super) fn merge(&self, rank: u32) -> Option<[u32; 3]> {
        if rank >= self.header.merges {
            return None;
        }
        let record = self.file.get(self.layout.merges + MERGE_BYTES * rank as usize..)?.first_chunk::<MERGE_BYTES>()?;
        let [left, right, merged] = record.as_chunks::<4>().0 else { return None };
        Some([*left, *right, *merged].map(u32::from_le_bytes))
    }

    /// Number of the merge of two tokens: the lower, the earlier it is done.
    pub(super) fn rank_of(&self, left: u32, right: u32) -> Option<u32> {
        walk(home_of_pair(left, right), self.header.merge_slots, self.header.longest_probe)
            .map_while(|slot| self.number(self.layout.merge_slots, slot)?.checked_sub(1))
            .find(|&rank| self.merge(rank).is_some_and(|merge| merge[..2] == [left, right]))
    }

    /// Added token number `index` of both lists together.
    pub(super) fn added(&self, index: u32) -> Option<AddedToken<'_>> {
        let record = self.file.get(self.layout.added + ADDED_BYTES * index as usize..)?.first_chunk::<ADDED_BYTES>()?;
        let [start, length, id, parent, flags] = record.as_chunks::<4>().0 else { return None };
        let [start, length, id, parent, flags] = [*start, *length, *id, *parent, *flags].map(u32::from_le_bytes);
        let content = self.text(start, start.checked_add(length)?)?;
        Some(AddedToken { content, id, parent: parent.checked_sub(1), flags })
    }
}
