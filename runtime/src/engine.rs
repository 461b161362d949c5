//! The engine: a loaded student, ready to answer one question after the other.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use pupil_models::bundle::Bundle;
use pupil_models::config::StudentConfig;
use pupil_models::contract::{ContractError, ReasoningContract};
use pupil_models::tokenizer::Tokenizer;

use crate::backend::onnx::OnnxBackend;
use crate::backend::{Backend, BackendError, KeyValueCache};
use crate::error::{GenerateError, LoadError};
use crate::event::Solution;
use crate::generation::Generation;
use crate::options::{EngineOptions, Execution};
use crate::request::Request;
use crate::sampler::TokenId;

/// Positions computed at once: bounds the memory of activations, and how long a cancelled prefill goes on.
pub const PREFILL_TOKENS: usize = 256;

/// Caches grow in blocks of this many positions, so that questions of similar length share one.
const CACHE_BLOCK: usize = 64;

/// What a completion needs to know about the student that writes it.
#[derive(Debug)]
pub(crate) struct Student {
    pub(crate) config: StudentConfig,
    pub(crate) contract: ReasoningContract,
    pub(crate) tokenizer: Tokenizer,
    vocab_size: usize,
}

impl Student {
    pub(crate) fn check_tokens(&self, tokens: &[TokenId]) -> Result<(), GenerateError> {
        match tokens.iter().find(|&&token| token as usize >= self.vocab_size) {
            Some(&found) => Err(GenerateError::UnknownToken { found, vocab_size: self.vocab_size }),
            None => Ok(()),
        }
    }
}

/// A loaded student, ready to answer.
///
/// It answers one question at a time: a [`Generation`] borrows it until it is finished or dropped.
#[derive(Debug)]
pub struct Engine<B: Backend = OnnxBackend> {
    pub(crate) student: Student,
    pub(crate) backend: B,
    pub(crate) cache: Option<B::Cache>,
    cache_limit_bytes: usize,
    /// Rows that batches are best answered in, where it was measured.
    pub(crate) batch_rows: Option<NonZeroUsize>,
    load_time: Duration,
}

impl Engine {
    /// Opens the bundle in a folder, with default options.
    ///
    /// The first engine of a process loads ONNX Runtime, and before that sets the environment variable
    /// `ORT_DISABLE_TELEMETRY` unless it is set. A program that has threads by then which read the environment through C
    /// should set it at its start.
    ///
    /// # Errors
    /// [`LoadError`] if the bundle or ONNX Runtime is refused.
    pub fn open(bundle: impl AsRef<Path>) -> Result<Self, LoadError> {
        let started = Instant::now();
        let bundle = Bundle::open(bundle)?;
        let mut engine = Self::open_with(&bundle, &EngineOptions::default())?;
        engine.load_time = started.elapsed();
        Ok(engine)
    }

    /// How the student is run: the options it was opened with, with everything that they left open decided.
    #[must_use]
    pub fn execution(&self) -> &Execution {
        self.backend.execution()
    }

    /// Loads a bundle that is already open.
    ///
    /// # Errors
    /// [`LoadError`] if ONNX Runtime cannot be used, or refuses the graph, or the graph is not this student's.
    pub fn open_with(bundle: &Bundle, options: &EngineOptions) -> Result<Self, LoadError> {
        let started = Instant::now();
        let backend = OnnxBackend::load(bundle, options)?;
        let batch_rows = backend.execution().batch_rows;
        let mut engine =
            Self::with_backend(bundle.config().clone(), bundle.contract().clone(), bundle.tokenizer().clone(), backend);
        engine.batch_rows = batch_rows;
        engine.load_time = started.elapsed();
        Ok(engine)
    }
}

impl<B: Backend> Engine<B> {
    /// An engine over a backend of your own.
    pub fn with_backend(config: StudentConfig, contract: ReasoningContract, tokenizer: Tokenizer, backend: B) -> Self {
        let student = Student { config, contract, tokenizer, vocab_size: backend.vocab_size() };
        Self {
            student,
            backend,
            cache: None,
            cache_limit_bytes: usize::MAX,
            batch_rows: None,
            load_time: Duration::ZERO,
        }
    }

    /// Refuses, from now on, what would need more than `bytes` of keys and values at once; without it there is no limit.
    pub fn limit_cache(&mut self, bytes: usize) {
        self.cache_limit_bytes = bytes;
    }

    /// Bytes of the keys and values that are held now: those of the last question, for the next one of its length.
    #[must_use]
    pub fn cache_bytes(&self) -> usize {
        self.cache.as_ref().map_or(0, |cache| self.backend.cache_bytes(1, cache.capacity_tokens()))
    }

    /// Answers `question`: [`Self::stream`], collected.
    ///
    /// # Errors
    /// As [`Self::stream`], and whatever a decode step meets.
    pub fn solve(&mut self, question: &str, request: &Request) -> Result<Solution, GenerateError> {
        self.stream(question, request)?.into_solution()
    }

    /// Starts answering `question`; the work is done as the iterator is pulled, and stops when it is dropped.
    ///
    /// # Errors
    /// [`GenerateError::ContextExceeded`] if the prompt leaves no room for a completion; a tokenizer's error.
    pub fn stream<'e>(&'e mut self, question: &str, request: &Request) -> Result<Generation<'e, B>, GenerateError> {
        Generation::start(self, question, request)
    }

    /// Logits of every position of `tokens`, row by row: `[tokens.len(), vocab_size]`.
    ///
    /// # Errors
    /// [`GenerateError`] if there are no tokens, or more than the context, or the forward pass fails.
    pub fn logits(&mut self, tokens: &[TokenId]) -> Result<Vec<f32>, GenerateError> {
        let mut logits = Vec::with_capacity(tokens.len() * self.backend.vocab_size());
        self.visit_logits(tokens, NonZeroUsize::MAX, |_, rows| {
            logits.extend_from_slice(rows);
            Ok::<(), GenerateError>(())
        })?;
        Ok(logits)
    }

    /// As [`Self::logits`], but at most `rows` positions at a time, so that a long sequence over a large vocabulary needs
    /// little memory: `visit` is given the first of the positions and their logits, `[up to rows, vocab_size]`.
    ///
    /// # Errors
    /// As [`Self::logits`], and the first error of `visit`.
    pub fn visit_logits<E: From<GenerateError>>(
        &mut self,
        tokens: &[TokenId],
        rows: NonZeroUsize,
        mut visit: impl FnMut(usize, &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_sequence(tokens)?;
        self.reset_cache(tokens.len()).map_err(GenerateError::from)?;
        let mut first = 0;
        for chunk in tokens.chunks(rows.get().min(PREFILL_TOKENS)) {
            visit(first, self.forward(chunk, chunk.len()).map_err(GenerateError::from)?)?;
            first += chunk.len();
        }
        Ok(())
    }

    fn check_sequence(&self, tokens: &[TokenId]) -> Result<(), GenerateError> {
        let context = self.student.config.context_tokens;
        if tokens.is_empty() {
            return Err(GenerateError::EmptyPrompt);
        }
        if tokens.len() > context {
            return Err(GenerateError::ContextExceeded { prompt_tokens: tokens.len(), budget: 0, context });
        }
        self.student.check_tokens(tokens)
    }

    /// The student's architecture.
    #[must_use]
    pub fn config(&self) -> &StudentConfig {
        &self.student.config
    }

    /// How the student is prompted and read.
    #[must_use]
    pub fn contract(&self) -> &ReasoningContract {
        &self.student.contract
    }

    /// Prompts and reads the student by another contract from now on: for measuring how it answers other prompts than its
    /// own. The contract so far is handed back.
    ///
    /// # Errors
    /// The contract is not valid; the one so far stays.
    pub fn replace_contract(&mut self, contract: ReasoningContract) -> Result<ReasoningContract, ContractError> {
        contract.validate()?;
        Ok(std::mem::replace(&mut self.student.contract, contract))
    }

    /// The student's tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.student.tokenizer
    }

    /// Time that loading took: with [`Engine::open`] all of it, with [`Engine::open_with`] without opening the bundle.
    #[must_use]
    pub fn load_time(&self) -> Duration {
        self.load_time
    }

    /// An empty cache for `tokens` positions; the one of the last question is used again if it is large enough.
    pub(crate) fn reset_cache(&mut self, tokens: usize) -> Result<(), BackendError> {
        match &mut self.cache {
            Some(cache) if cache.capacity_tokens() >= tokens => cache.truncate(0),
            _ => {
                // Freed first, so that two caches are never held at once.
                self.cache = None;
                let capacity = tokens.next_multiple_of(CACHE_BLOCK).min(self.student.config.context_tokens.max(tokens));
                self.check_cache_limit(self.backend.cache_bytes(1, capacity))?;
                self.cache = Some(self.backend.cache(capacity)?);
            }
        }
        Ok(())
    }

    /// Empty caches for `rows` sequences of `tokens` positions.
    pub(crate) fn new_rows(&mut self, rows: NonZeroUsize, tokens: usize) -> Result<B::Rows, BackendError> {
        self.check_cache_limit(self.cache_bytes() + self.backend.cache_bytes(rows.get(), tokens))?;
        self.backend.rows(rows.get(), tokens)
    }

    /// Sequences of `tokens` positions that fit beside what is held; 0 if not even one does.
    pub(crate) fn most_rows(&self, tokens: usize) -> usize {
        self.cache_limit_bytes.saturating_sub(self.cache_bytes()) / self.backend.cache_bytes(1, tokens)
    }

    fn check_cache_limit(&self, found_bytes: usize) -> Result<(), BackendError> {
        let limit_bytes = self.cache_limit_bytes;
        if found_bytes <= limit_bytes { Ok(()) } else { Err(BackendError::CacheLimit { limit_bytes, found_bytes }) }
    }

    /// Appends `tokens` to the cache; logits of the last `keep`.
    pub(crate) fn forward(&mut self, tokens: &[TokenId], keep: usize) -> Result<&[f32], BackendError> {
        self.forward_with_student(tokens, keep).map(|(_, logits)| logits)
    }

    /// As [`Self::forward`], with the student, which the borrowed logits would else lock away.
    pub(crate) fn forward_with_student(
        &mut self,
        tokens: &[TokenId],
        keep: usize,
    ) -> Result<(&Student, &[f32]), BackendError> {
        let Some(cache) = &mut self.cache else {
            return Err(BackendError::Capacity { capacity_tokens: 0, found: tokens.len() });
        };
        Ok((&self.student, self.backend.forward(tokens, cache, keep)?))
    }
}
