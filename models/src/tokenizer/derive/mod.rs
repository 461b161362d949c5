//! Making tables of a `tokenizer.json`.
//!
//! Tables exist only for the kinds of tokenizers that this crate encodes exactly as the library does. Before they are given
//! out, both encode and decode the same texts; a single difference, and there are none.

mod check;
mod kind;
mod slots;
mod write;

use super::TokenizerError;
use super::library::LibraryTokenizer;
use super::mapped::MappedTokenizer;
use crate::digest::Digest;

/// Why a `tokenizer.json` has no tables. It is parsed at every start then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotDerived {
    /// It is not a tokenizer at all.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// It is of a kind that only the library encodes.
    #[error("tokenizer has no tables: expected byte-level byte-pair encoding of a known kind, found {found}")]
    Kind {
        /// What sets it apart.
        found: String,
    },
    /// Its tables do not do what it does.
    #[error("tokenizer has no tables: expected the ids {expected:?} for {text:?}, found {found:?}")]
    Differs {
        /// The text.
        text: String,
        /// What the library says.
        expected: Vec<u32>,
        /// What the tables say.
        found: Vec<u32>,
    },
}

/// The tables of the `tokenizer.json` whose bytes are `json`: the content of a bundle's `tokenizer.bin`.
///
/// The same `json` gives the same bytes. They are compared with the library on texts that are known to be difficult, on all
/// tokens, and on `samples`.
///
/// # Errors
/// There are no tables, and why.
pub fn derive(json: &[u8], samples: &[String]) -> Result<Vec<u8>, NotDerived> {
    let (library, bytes) = tables_of(json)?;
    let mapped = MappedTokenizer::from_bytes(bytes.clone(), Digest::of(json))?;
    check::compare(&library, &mapped, samples)?;
    Ok(bytes)
}

/// The tables without the comparison.
pub(super) fn tables_of(json: &[u8]) -> Result<(LibraryTokenizer, Vec<u8>), NotDerived> {
    let library = LibraryTokenizer::from_bytes(json)?;
    let unknown = |found| NotDerived::Kind { found };
    let recipe = kind::recognise(json).map_err(unknown)?;
    let mut tables = write::Parts::collect(library.inner(), &recipe, Digest::of(json)).map_err(unknown)?;
    if !recipe.ignore_merges {
        // Merges may never arrive at a token, or prefer another way to spell it: only the others are known in advance.
        let merging = MappedTokenizer::from_bytes(tables.to_bytes(), Digest::of(json))?;
        tables.keep_whole(|id, bytes| merging.merged(bytes) == [id]);
    }
    Ok((library, tables.to_bytes()))
}
