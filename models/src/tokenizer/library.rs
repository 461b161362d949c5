//! The `tokenizers` library: any `tokenizer.json`, parsed whole.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::TokenizerError;

/// A parsed `tokenizer.json`.
pub(super) struct LibraryTokenizer(tokenizers::Tokenizer);

impl LibraryTokenizer {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, TokenizerError> {
        // The library panics on some malformed files instead of answering with an error.
        catch_unwind(AssertUnwindSafe(|| tokenizers::Tokenizer::from_bytes(bytes)))
            .map_err(|_| TokenizerError::Parse { found: "a file that the parser cannot survive".to_owned() })?
            .map(Self)
            .map_err(|error| TokenizerError::Parse { found: error.to_string() })
    }

    /// The library's own type, for what is derived from it.
    pub(super) fn inner(&self) -> &tokenizers::Tokenizer {
        &self.0
    }

    /// The token with the smallest id that is not below `limit`.
    pub(super) fn first_token_from(&self, limit: usize) -> Option<(String, u32)> {
        self.0.get_vocab(true).into_iter().filter(|&(_, id)| id as usize >= limit).min_by_key(|&(_, id)| id)
    }

    pub(super) fn has(&self, id: u32) -> bool {
        self.0.id_to_token(id).is_some()
    }

    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        guarded(|| self.0.encode_fast(text, false).map(|encoding| encoding.get_ids().to_vec()))
    }

    pub(super) fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        guarded(|| self.0.decode(ids, true))
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.0.get_vocab_size(true)
    }

    pub(super) fn token_id(&self, token: &str) -> Option<u32> {
        self.0.token_to_id(token)
    }
}

fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, TokenizerError> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|_| TokenizerError::Failed { reason: "the tokenizer library panicked".to_owned() })?
        .map_err(|error| TokenizerError::Failed { reason: error.to_string() })
}
