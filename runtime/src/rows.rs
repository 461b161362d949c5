//! Completions side by side: one decode step serves a row of each of them.

use std::num::NonZeroUsize;

use crate::backend::{Backend, KeyValueRows};
use crate::draft::Draft;
use crate::engine::Student;
use crate::error::GenerateError;
use crate::event::Solution;

/// Whether the remaining completions are still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    On,
    Stop,
}

/// A completion that is being written in a row of the cache.
struct Row {
    index: usize,
    draft: Draft,
    /// Pending tokens of the draft that the student has seen.
    seen: usize,
}

/// Rows of a cache, each with at most one completion that is being written.
pub(crate) struct Rows<'e, B: Backend> {
    student: &'e Student,
    backend: &'e mut B,
    cache: B::Rows,
    places: Vec<Option<Row>>,
}

impl<'e, B: Backend> Rows<'e, B> {
    /// `cache` has `rows` rows.
    pub(crate) fn new(student: &'e Student, backend: &'e mut B, cache: B::Rows, rows: NonZeroUsize) -> Self {
        Self { student, backend, cache, places: (0..rows.get()).map(|_| None).collect() }
    }

    /// Decodes until nothing is left, or `finished` says stop.
    ///
    /// `next` is asked for a completion for every free row, and makes the row's cache hold what the completion's pending
    /// tokens follow on. `finished` is given every completion's index and result as it ends.
    pub(crate) fn run(
        mut self,
        mut next: impl FnMut(&mut B, &mut B::Rows, usize) -> Result<Option<(usize, Draft)>, GenerateError>,
        mut finished: impl FnMut(usize, Result<Solution, GenerateError>) -> Flow,
    ) -> Result<(), GenerateError> {
        let vocab_size = self.backend.vocab_size();
        loop {
            if self.refill(&mut next, &mut finished)? == Flow::Stop || self.places.iter().all(Option::is_none) {
                return Ok(());
            }
            // A place without a completion reads any token, and forgets it before the next step.
            let tokens: Vec<_> = self.places.iter().map(|row| row.as_ref().map_or(0, Row::next_token)).collect();
            let logits = self.backend.step_rows(&tokens, &mut self.cache)?;
            for ((index, place), logits) in self.places.iter_mut().enumerate().zip(logits.chunks_exact(vocab_size)) {
                let Some(row) = place else {
                    self.cache.clear(index);
                    continue;
                };
                if let Some(result) = row.advance(self.student, logits) {
                    let flow = finished(row.index, result);
                    *place = None;
                    if flow == Flow::Stop {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Gives every free place to the next completion, and ends those that were cancelled or whose time is over.
    fn refill(
        &mut self,
        next: &mut impl FnMut(&mut B, &mut B::Rows, usize) -> Result<Option<(usize, Draft)>, GenerateError>,
        finished: &mut impl FnMut(usize, Result<Solution, GenerateError>) -> Flow,
    ) -> Result<Flow, GenerateError> {
        for (number, place) in self.places.iter_mut().enumerate() {
            loop {
                if place.is_none() {
                    let Some((index, draft)) = next(self.backend, &mut self.cache, number)? else { break };
                    *place = Some(Row { index, draft, seen: 0 });
                }
                let ended = place.as_mut().and_then(|row| row.draft.interrupted(self.student).transpose());
                let Some(result) = ended else { break };
                if let Some(row) = place.take()
                    && finished(row.index, result) == Flow::Stop
                {
                    return Ok(Flow::Stop);
                }
            }
        }
        Ok(Flow::On)
    }
}

impl Row {
    fn next_token(&self) -> u32 {
        self.draft.pending()[self.seen]
    }

    /// What follows from the logits after the next token; the result once the completion has ended.
    fn advance(&mut self, student: &Student, logits: &[f32]) -> Option<Result<Solution, GenerateError>> {
        self.seen += 1;
        if self.seen < self.draft.pending().len() {
            return None;
        }
        self.seen = 0;
        let result = self.draft.choose(student, logits).transpose();
        // Nobody streams a batch.
        self.draft.forget_events();
        result
    }
}
