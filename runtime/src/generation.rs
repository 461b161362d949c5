//! One generation: prefill, then decode steps until a rule says stop.

use crate::backend::Backend;
use crate::backend::onnx::OnnxBackend;
use crate::draft::Draft;
use crate::engine::Engine;
use crate::error::GenerateError;
use crate::event::{Event, Solution};
use crate::request::Request;
use crate::sampler::TokenId;

/// A running generation: an iterator of [`Event`]s, of which the last is [`Event::Finished`].
///
/// A call of `next` does the decode steps up to the next event, most often one. After an error there are no more events.
#[derive(Debug)]
pub struct Generation<'e, B: Backend = OnnxBackend> {
    engine: &'e mut Engine<B>,
    draft: Draft,
    done: bool,
}

impl<'e, B: Backend> Generation<'e, B> {
    /// Encodes the prompt and sees that it fits; no token is computed yet.
    pub(crate) fn start(engine: &'e mut Engine<B>, question: &str, request: &Request) -> Result<Self, GenerateError> {
        let draft = Draft::start(&engine.student, question, request)?;
        engine.reset_cache(draft.most_positions())?;
        Ok(Self { engine, draft, done: false })
    }

    /// Token ids of the completion so far, a forced answer marker included, the end token excluded.
    #[must_use]
    pub fn token_ids(&self) -> Vec<TokenId> {
        self.draft.token_ids()
    }

    /// Length of the prompt.
    #[must_use]
    pub fn prompt_tokens(&self) -> usize {
        self.draft.prompt_tokens()
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first error of a decode step.
    pub fn into_solution(mut self) -> Result<Solution, GenerateError> {
        loop {
            if let Some(solution) = self.advance()? {
                return Ok(solution);
            }
        }
    }

    /// One forward pass and what follows from it; the solution once the generation has ended.
    fn advance(&mut self) -> Result<Option<Solution>, GenerateError> {
        let solution = self.step()?;
        self.done |= solution.is_some();
        Ok(solution)
    }

    fn step(&mut self) -> Result<Option<Solution>, GenerateError> {
        if let Some(solution) = self.draft.interrupted(&self.engine.student)? {
            return Ok(Some(solution));
        }
        if let Some(part) = self.draft.next_part() {
            // The last part is left to compute logits from.
            self.engine.forward(&part, 1)?;
            return Ok(None);
        }
        let (student, logits) = self.engine.forward_with_student(self.draft.pending(), 1)?;
        self.draft.choose(student, logits)
    }
}

impl<B: Backend> Iterator for Generation<'_, B> {
    type Item = Result<Event, GenerateError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.draft.next_event() {
                return Some(Ok(event));
            }
            if self.done {
                return None;
            }
            if let Err(error) = self.advance() {
                self.done = true;
                self.draft.forget_events();
                return Some(Err(error));
            }
        }
    }
}

impl<B: Backend> std::iter::FusedIterator for Generation<'_, B> {}
