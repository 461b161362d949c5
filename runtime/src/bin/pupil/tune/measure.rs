//! How long a candidate takes.

use std::num::NonZeroUsize;
use std::time::Instant;

use pupil_models::bundle::Bundle;
use pupil_runtime::backend::onnx::OnnxBackend;
use pupil_runtime::backend::{Backend, BackendError};
use pupil_runtime::tuning::Candidate;
use pupil_runtime::{CacheType, Device, EngineOptions, LoadError, PREFILL_TOKENS, TokenId};

use crate::bench::{most_probable, synthetic_prompt};

/// About a question of a reasoning task and its rationale.
const PROMPT_TOKENS: usize = 64;
const COMPLETION_TOKENS: usize = 64;
/// Bytes of an element of the cache at most.
const CACHE_ELEMENT_BYTES: usize = size_of::<f32>();

/// One way to run the student.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) threads: NonZeroUsize,
    pub(super) spinning: bool,
    pub(super) affinity: bool,
    pub(super) prepacking: bool,
    pub(super) cache: CacheType,
    pub(super) rows: NonZeroUsize,
}

/// What every candidate does.
#[derive(Debug)]
pub(super) struct Workload {
    prompt: Vec<TokenId>,
    completion_tokens: usize,
    cache_bytes_per_token: usize,
}

impl Workload {
    pub(super) fn new(bundle: &Bundle) -> Self {
        let config = bundle.config();
        let prompt_tokens = PROMPT_TOKENS.min(config.context_tokens / 2).max(1);
        Self {
            prompt: synthetic_prompt(prompt_tokens, config.vocab_size),
            completion_tokens: COMPLETION_TOKENS.min(config.context_tokens - prompt_tokens).max(1),
            cache_bytes_per_token: config.kv_bytes_per_token(CACHE_ELEMENT_BYTES),
        }
    }

    fn positions(&self) -> usize {
        self.prompt.len() + self.completion_tokens
    }

    /// Bytes of the cache of a row.
    pub(super) fn row_bytes(&self) -> usize {
        self.positions() * self.cache_bytes_per_token
    }

    /// Milliseconds for the prompt and the completion in one sequence.
    fn single_ms(&self, backend: &mut OnnxBackend) -> Result<f64, BackendError> {
        let mut cache = backend.cache(self.positions())?;
        let started = Instant::now();
        let mut token = 0;
        for part in self.prompt.chunks(PREFILL_TOKENS) {
            token = most_probable(backend.forward(part, &mut cache, 1)?);
        }
        for _ in 0..self.completion_tokens {
            token = most_probable(backend.forward(&[token], &mut cache, 1)?);
        }
        Ok(started.elapsed().as_secs_f64() * 1e3)
    }

    /// Milliseconds for them in so many rows side by side, prompts read one token a step as batches do.
    fn batch_ms(&self, backend: &mut OnnxBackend, rows: usize) -> Result<f64, BackendError> {
        let vocab_size = backend.vocab_size();
        let mut cache = backend.rows(rows, self.positions())?;
        let started = Instant::now();
        let mut tokens = vec![0; rows];
        for position in 0..self.positions() {
            if let Some(&token) = self.prompt.get(position) {
                tokens.fill(token);
            }
            let logits = backend.step_rows(&tokens, &mut cache)?;
            tokens = logits.chunks_exact(vocab_size).map(most_probable).collect();
        }
        Ok(started.elapsed().as_secs_f64() * 1e3)
    }
}

/// Milliseconds of every round of every setting, in their order; the settings take turns.
pub(super) fn rounds(
    bundle: &Bundle,
    workload: &Workload,
    settings: &[Setting],
    rounds: usize,
) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut times = vec![Vec::with_capacity(rounds); settings.len()];
    let batched = settings.iter().any(|setting| setting.rows.get() > 1);
    for _ in 0..rounds {
        for (setting, times) in settings.iter().zip(&mut times) {
            // One at a time: idle threads of a second session would spin beside the first.
            let mut backend = setting.load(bundle)?;
            let mut once = || {
                if batched {
                    workload.batch_ms(&mut backend, setting.rows.get())
                } else {
                    workload.single_ms(&mut backend)
                }
            };
            // Once unmeasured: it pages the weights in and wakes the threads.
            once()?;
            times.push(once()?);
        }
    }
    Ok(times)
}

impl Setting {
    fn load(&self, bundle: &Bundle) -> Result<OnnxBackend, LoadError> {
        let options = EngineOptions {
            device: Device::Cpu,
            threads: Some(self.threads),
            spinning: Some(self.spinning),
            affinity: Some(self.affinity),
            prepacking: Some(self.prepacking),
            cache: Some(self.cache),
            untuned: true,
            instruction_set: None,
        };
        OnnxBackend::load(bundle, &options)
    }

    /// Its rounds, each shared among the rows.
    pub(super) fn per_row_ms(&self, times: &[f64]) -> Vec<f64> {
        times.iter().map(|time| time / self.rows.get() as f64).collect()
    }

    pub(super) fn candidate(&self, workload: &Workload, rounds_ms: Vec<f64>) -> Candidate {
        Candidate {
            threads: self.threads,
            spinning: self.spinning,
            affinity: self.affinity,
            prepacking: self.prepacking,
            cache: self.cache,
            rows: self.rows,
            prompt_tokens: workload.prompt.len(),
            completion_tokens: workload.completion_tokens,
            rounds_ms,
        }
    }
}
