//! Two students read the same tokens side by side, a few positions at a time.

use std::num::NonZeroUsize;

use pupil_models::bundle::LogitError;
use pupil_runtime::backend::Backend;
use pupil_runtime::{Engine, GenerateError};

use super::{GreedyPath, LogitSums, Reference};
use crate::export::ExportError;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Memory for the logits of each side: 30 positions of a vocabulary of 150,000 tokens.
const CHUNK_BYTES: usize = 18 << 20;

/// Sums of a comparison, those of the prompts apart.
///
/// Nobody trained the student to foresee its prompts, and nobody asks it to, so numbers of both together would say little
/// about what it writes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) prompts: LogitSums,
    pub(super) completions: LogitSums,
}

impl Sums {
    /// Adds a position of a sequence whose prompt has so many tokens: the prompt's last one already decides what the student
    /// writes first.
    pub(super) fn add(&mut self, position: usize, prompt_tokens: usize, expected: &[f32], found: &[f32]) {
        let sums = if position + 1 < prompt_tokens { &mut self.prompts } else { &mut self.completions };
        sums.add(expected, found);
    }

    pub(super) fn positions(&self) -> usize {
        self.prompts.error().positions + self.completions.error().positions
    }
}

/// Logit errors of `engine` on `paths`, libtorch's own completions: of the prompts, then of the completions.
///
/// # Errors
/// A forward pass fails or computes something that is not a number; somebody asked to stop.
pub fn logit_errors<B: Backend, R: Reference>(
    engine: &mut Engine<B>,
    reference: &R,
    paths: &[GreedyPath],
    interrupt: &Interrupt,
) -> Result<(LogitError, LogitError), ExportError> {
    let mut sums = Sums::default();
    let bar = Progress::new("logits", "prompts", paths.len() as u64, 0);
    for path in paths {
        if interrupt.is_requested() {
            return Err(ExportError::Interrupted);
        }
        read_both(engine, reference, path.question(), path.ids(), |position, expected, found| {
            sums.add(position, path.prompt_tokens(), expected, found);
        })?;
        bar.advance();
    }
    bar.finish();
    Ok((sums.prompts.error(), sums.completions.error()))
}

/// Shows `visit` every position of `ids` with the logits of both.
pub(super) fn read_both<B: Backend, R: Reference>(
    engine: &mut Engine<B>,
    reference: &R,
    question: &str,
    ids: &[u32],
    mut visit: impl FnMut(usize, &[f32], &[f32]),
) -> Result<(), ExportError> {
    let vocab_size = engine.config().vocab_size;
    let rows = NonZeroUsize::new(CHUNK_BYTES / (size_of::<f32>() * vocab_size)).unwrap_or(NonZeroUsize::MIN);
    let failed = |source| ExportError::Generate { question: question.to_owned(), source };
    let states = reference.states(ids)?;
    let compare = |first: usize, found: &[f32]| {
        if let Some(index) = found.iter().position(|logit| !logit.is_finite()) {
            let position = first + index / vocab_size;
            return Err(Stopped::Engine(GenerateError::NonFinite { position, value: found[index] }));
        }
        let expected = reference.logits(&states, first..first + found.len() / vocab_size)?;
        let rows = expected.chunks_exact(vocab_size).zip(found.chunks_exact(vocab_size));
        for ((expected, found), position) in rows.zip(first..) {
            visit(position, expected, found);
        }
        Ok(())
    };
    engine.visit_logits(ids, rows, compare).map_err(|stopped| match stopped {
        Stopped::Engine(source) => failed(source),
        Stopped::Reference(error) => error,
    })
}

/// Which side stopped a comparison.
enum Stopped {
    Engine(GenerateError),
    Reference(ExportError),
}

impl From<GenerateError> for Stopped {
    fn from(source: GenerateError) -> Self {
        Self::Engine(source)
    }
}

impl From<ExportError> for Stopped {
    fn from(error: ExportError) -> Self {
        Self::Reference(error)
    }
}
