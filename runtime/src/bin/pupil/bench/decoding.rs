//! Prefill and decode steps by hand, without a question: for prompts and completions of a given length.

use std::time::Instant;

use pupil_models::digest::Digest;
use pupil_runtime::backend::{Backend, BackendError};
use pupil_runtime::{PREFILL_TOKENS, TokenId};

/// Reads `prompt` in parts as the engine does; the most probable next token.
pub(super) fn prefill<B: Backend>(
    backend: &mut B,
    cache: &mut B::Cache,
    prompt: &[TokenId],
) -> Result<TokenId, BackendError> {
    let mut token = 0;
    for part in prompt.chunks(PREFILL_TOKENS) {
        token = most_probable(backend.forward(part, cache, 1)?);
    }
    Ok(token)
}

/// Appends `token` and decodes greedily; `tokens` ids, of which it is the first, and the milliseconds to each next one.
pub(super) fn decode<B: Backend>(
    backend: &mut B,
    cache: &mut B::Cache,
    mut token: TokenId,
    tokens: usize,
) -> Result<(Vec<TokenId>, Vec<f64>), BackendError> {
    let (mut ids, mut gaps_ms) = (Vec::with_capacity(tokens), Vec::with_capacity(tokens));
    let mut before = Instant::now();
    for _ in 0..tokens {
        ids.push(token);
        token = most_probable(backend.forward(&[token], cache, 1)?);
        let now = Instant::now();
        gaps_ms.push((now - before).as_secs_f64() * 1e3);
        before = now;
    }
    Ok((ids, gaps_ms))
}

/// The most probable token, of equals the first: the rule of greedy decoding.
pub(crate) fn most_probable(logits: &[f32]) -> TokenId {
    let better = |best: (f32, TokenId), next: (f32, TokenId)| if next.0 > best.0 { next } else { best };
    logits.iter().copied().zip(0..).fold((f32::NEG_INFINITY, 0), better).1
}

/// A prompt of any length: ids spread over the vocabulary, the same on every machine.
pub(crate) fn synthetic_prompt(tokens: usize, vocab_size: usize) -> Vec<TokenId> {
    (0..tokens).map(|index| ((index * 7919 + 13) % vocab_size) as TokenId).collect()
}

pub(super) fn digest(ids: &[TokenId]) -> Digest {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    Digest::of(&bytes)
}
