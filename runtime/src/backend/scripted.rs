//! A backend whose logits are written by a test: decoding rules are tested without weights.

use super::{Backend, BackendError, KeyValueCache, KeyValueRows};
use crate::sampler::TokenId;

/// Computes the logits of the next token from all tokens so far.
pub type Script = Box<dyn FnMut(&[TokenId]) -> Vec<f32> + Send>;

/// A backend that follows a script.
pub struct ScriptedBackend {
    vocab_size: usize,
    script: Script,
    logits: Vec<f32>,
}

impl std::fmt::Debug for ScriptedBackend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ScriptedBackend").field("vocab_size", &self.vocab_size).finish_non_exhaustive()
    }
}

impl ScriptedBackend {
    /// A backend with `vocab_size` logits per position, written by `script`.
    pub fn new(vocab_size: usize, script: impl FnMut(&[TokenId]) -> Vec<f32> + Send + 'static) -> Self {
        Self { vocab_size, script: Box::new(script), logits: Vec::new() }
    }
}

/// The tokens so far.
#[derive(Clone, Debug)]
pub struct ScriptedCache {
    capacity_tokens: usize,
    tokens: Vec<TokenId>,
}

impl KeyValueCache for ScriptedCache {
    fn capacity_tokens(&self) -> usize {
        self.capacity_tokens
    }

    fn length_tokens(&self) -> usize {
        self.tokens.len()
    }

    fn truncate(&mut self, length_tokens: usize) {
        self.tokens.truncate(length_tokens);
    }
}

impl KeyValueRows for Vec<ScriptedCache> {
    fn clear(&mut self, row: usize) {
        self[row].truncate(0);
    }
}

impl Backend for ScriptedBackend {
    type Cache = ScriptedCache;
    type Rows = Vec<ScriptedCache>;

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn cache(&mut self, capacity_tokens: usize) -> Result<ScriptedCache, BackendError> {
        Ok(ScriptedCache { capacity_tokens, tokens: Vec::new() })
    }

    fn forward(&mut self, tokens: &[TokenId], cache: &mut ScriptedCache, keep: usize) -> Result<&[f32], BackendError> {
        BackendError::check_room(cache, tokens.len())?;
        self.logits.clear();
        let first_kept = tokens.len() - keep;
        for (index, &token) in tokens.iter().enumerate() {
            cache.tokens.push(token);
            if index >= first_kept {
                self.logits.extend((self.script)(&cache.tokens));
            }
        }
        Ok(&self.logits)
    }

    fn rows(&mut self, rows: usize, capacity_tokens: usize) -> Result<Vec<ScriptedCache>, BackendError> {
        (0..rows).map(|_| self.cache(capacity_tokens)).collect()
    }

    fn step_rows(&mut self, tokens: &[TokenId], rows: &mut Vec<ScriptedCache>) -> Result<&[f32], BackendError> {
        assert_eq!(tokens.len(), rows.len(), "a token for every row");
        rows.iter().try_for_each(|row| BackendError::check_room(row, 1))?;
        self.logits.clear();
        for (row, &token) in rows.iter_mut().zip(tokens) {
            row.tokens.push(token);
            self.logits.extend((self.script)(&row.tokens));
        }
        Ok(&self.logits)
    }

    fn fork(&mut self, cache: &ScriptedCache, rows: &mut Vec<ScriptedCache>, row: usize) -> Result<(), BackendError> {
        rows[row].truncate(0);
        BackendError::check_room(&rows[row], cache.tokens.len())?;
        rows[row].tokens.clone_from(&cache.tokens);
        Ok(())
    }

    fn cache_bytes(&self, rows: usize, capacity_tokens: usize) -> usize {
        rows * capacity_tokens * size_of::<TokenId>()
    }
}
