//! What computes logits: a backend runs the student's forward pass over a key-value cache.

pub mod onnx;
#[doc(hidden)]
pub mod scripted;

use crate::sampler::TokenId;

/// Computes a student's forward pass.
pub trait Backend: std::fmt::Debug {
    /// Keys and values of the positions seen so far.
    type Cache: KeyValueCache;
    /// Keys and values of several sequences, a row each.
    type Rows: KeyValueRows;

    /// Width of a row of logits.
    fn vocab_size(&self) -> usize;

    /// An empty cache for at least `capacity_tokens` positions.
    ///
    /// # Errors
    /// [`BackendError`] if the memory cannot be had.
    fn cache(&mut self, capacity_tokens: usize) -> Result<Self::Cache, BackendError>;

    /// Appends `tokens` to the cache and computes the logits of the last `keep` of them, `[keep, vocab_size]`, row by row.
    ///
    /// # Errors
    /// [`BackendError`] if the cache is full or the computation fails; the cache's length is then unchanged.
    fn forward(&mut self, tokens: &[TokenId], cache: &mut Self::Cache, keep: usize) -> Result<&[f32], BackendError>;

    /// Empty caches for `rows` sequences of at least `capacity_tokens` positions each.
    ///
    /// # Errors
    /// [`BackendError`] if the memory cannot be had.
    fn rows(&mut self, rows: usize, capacity_tokens: usize) -> Result<Self::Rows, BackendError>;

    /// Appends one token to every row and computes the logits after it, `[rows, vocab_size]`, row by row.
    ///
    /// # Errors
    /// [`BackendError`] if a row is full or the computation fails; the rows' lengths are then unchanged.
    ///
    /// # Panics
    /// `tokens` are not as many as there are rows.
    fn step_rows(&mut self, tokens: &[TokenId], rows: &mut Self::Rows) -> Result<&[f32], BackendError>;

    /// Makes a row hold the positions that `cache` holds, in place of its own: the shared beginning of several sequences is
    /// computed once.
    ///
    /// # Errors
    /// [`BackendError::Capacity`] if the row has less room than that.
    ///
    /// # Panics
    /// There is no such row.
    fn fork(&mut self, cache: &Self::Cache, rows: &mut Self::Rows, row: usize) -> Result<(), BackendError>;

    /// Bytes of the keys and values of `rows` sequences with room for `capacity_tokens` positions each.
    fn cache_bytes(&self, rows: usize, capacity_tokens: usize) -> usize;
}

/// Positions that a backend has seen of several sequences.
pub trait KeyValueRows: std::fmt::Debug {
    /// Forgets everything about one row.
    fn clear(&mut self, row: usize);
}

/// Positions that a backend has seen.
pub trait KeyValueCache: std::fmt::Debug {
    /// Most positions it can hold.
    fn capacity_tokens(&self) -> usize;

    /// Positions it holds.
    fn length_tokens(&self) -> usize;

    /// Forgets every position from `length_tokens` on.
    fn truncate(&mut self, length_tokens: usize);
}

/// Why a forward pass failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// More positions than the cache can hold.
    #[error("cache is full: expected at most {capacity_tokens} tokens, found {found}")]
    Capacity {
        /// What it can hold.
        capacity_tokens: usize,
        /// What it was to hold.
        found: usize,
    },
    /// Keys and values would take more memory than the caller allows.
    #[error("key-value cache: expected at most {limit_bytes} bytes, found a need for {found_bytes}")]
    CacheLimit {
        /// Most that is allowed.
        limit_bytes: usize,
        /// What was needed.
        found_bytes: usize,
    },
    /// The computation failed.
    #[error("forward pass failed: {reason}")]
    Run {
        /// What the backend said.
        reason: String,
    },
}

impl BackendError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Capacity { .. } | Self::CacheLimit { .. } => "E_CAPACITY",
            Self::Run { .. } => "E_RUN",
        }
    }

    /// Refuses `tokens` more positions than `cache` has room for.
    pub(crate) fn check_room(cache: &impl KeyValueCache, tokens: usize) -> Result<(), Self> {
        let found = cache.length_tokens() + tokens;
        if found <= cache.capacity_tokens() {
            return Ok(());
        }
        Err(Self::Capacity { capacity_tokens: cache.capacity_tokens(), found })
    }
}
