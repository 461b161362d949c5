//! The tokenizer of a checkpoint or bundle, and incremental decoding.
//!
//! A tokenizer comes in two forms that give the same ids. `tokenizer.json` is parsed by the `tokenizers` library, which takes
//! longer than a small student needs to answer; its *tables* (`tokenizer.bin`) are mapped and used in place. [`derive()`]
//! makes the tables from the JSON form, for the kinds of tokenizers that this crate encodes itself.

mod alphabet;
mod derive;
mod error;
mod incremental;
mod library;
mod mapped;
mod split;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

pub use derive::{NotDerived, derive};
pub use error::TokenizerError;
pub use incremental::IncrementalDecoder;

use crate::config::StudentConfig;
use crate::digest::Digest;
use library::LibraryTokenizer;
use mapped::MappedTokenizer;

/// Text to token ids and back. Clones share one copy.
#[derive(Clone)]
pub struct Tokenizer(Form);

#[derive(Clone)]
enum Form {
    Parsed(Arc<LibraryTokenizer>),
    Mapped(Arc<MappedTokenizer>),
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Tokenizer({} tokens, {})",
            self.vocab_size(),
            if self.is_mapped() { "mapped" } else { "parsed" }
        )
    }
}

impl Tokenizer {
    /// Reads a Hugging Face `tokenizer.json`.
    pub fn read(path: &Path) -> Result<Self, TokenizerError> {
        let bytes = std::fs::read(path).map_err(|source| TokenizerError::Read { path: path.to_owned(), source })?;
        Self::from_bytes(&bytes)
    }

    /// Parses the bytes of a `tokenizer.json`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenizerError> {
        LibraryTokenizer::from_bytes(bytes).map(|parsed| Self(Form::Parsed(Arc::new(parsed))))
    }

    /// Maps the tables that [`derive()`] made of the `tokenizer.json` whose digest is `source`.
    ///
    /// Only the header is read. Damage beyond it gives wrong ids or [`TokenizerError::Failed`], never a panic.
    pub fn map(path: &Path, source: Digest) -> Result<Self, TokenizerError> {
        MappedTokenizer::map(path, source).map(|mapped| Self(Form::Mapped(Arc::new(mapped))))
    }

    /// Takes the bytes that [`derive()`] gave.
    pub fn from_tables(bytes: Vec<u8>, source: Digest) -> Result<Self, TokenizerError> {
        MappedTokenizer::from_bytes(bytes, source).map(|mapped| Self(Form::Mapped(Arc::new(mapped))))
    }

    /// Whether the tables are used, instead of the parsed JSON form.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(self.0, Form::Mapped(_))
    }

    /// Checks that every id has a row in the student's embedding table and that its end tokens exist.
    pub fn check_fits(&self, config: &StudentConfig) -> Result<(), TokenizerError> {
        let beyond = match &self.0 {
            Form::Parsed(parsed) => parsed.first_token_from(config.vocab_size),
            Form::Mapped(mapped) => mapped.first_token_from(config.vocab_size),
        };
        if let Some((token, id)) = beyond {
            return Err(TokenizerError::DoesNotFit { vocab_size: config.vocab_size, token, id });
        }
        let has = |id| match &self.0 {
            Form::Parsed(parsed) => parsed.has(id),
            Form::Mapped(mapped) => mapped.has(id),
        };
        match config.eos_ids.iter().find(|&&id| !has(id)) {
            Some(&id) => Err(TokenizerError::NoEos { id }),
            None => Ok(()),
        }
    }

    /// Token ids of `text`, without any special token added.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        match &self.0 {
            Form::Parsed(parsed) => parsed.encode(text),
            Form::Mapped(mapped) => mapped.encode(text),
        }
    }

    /// Text of `ids`, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        match &self.0 {
            Form::Parsed(parsed) => parsed.decode(ids),
            Form::Mapped(mapped) => Ok(mapped.decode(ids)),
        }
    }

    /// Number of tokens, added ones included.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        match &self.0 {
            Form::Parsed(parsed) => parsed.vocab_size(),
            Form::Mapped(mapped) => mapped.vocab_size(),
        }
    }

    /// Id of a token by its literal name.
    #[must_use]
    pub fn token_id(&self, token: &str) -> Option<u32> {
        match &self.0 {
            Form::Parsed(parsed) => parsed.token_id(token),
            Form::Mapped(mapped) => mapped.token_id(token),
        }
    }
}
