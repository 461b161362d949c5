//! Many questions at once: one decode step serves a row of each of them.
//!
//! A forward pass over sixteen rows costs little more than over one, because the weights are read once. Rows are refilled
//! as they finish, and a prompt is read one token a step beside the other rows' decode steps, so that every pass has the
//! same shape: what a question is answered does not depend on the questions beside it, nor on its row.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use crate::backend::{Backend, KeyValueRows};
use crate::draft::Draft;
use crate::engine::{Engine, Student};
use crate::error::GenerateError;
use crate::event::Solution;
use crate::request::Request;

/// A question and how it is to be answered.
#[derive(Clone, Debug)]
pub struct Question {
    /// The question's text.
    pub text: String,
    /// Sampling, budgets, cancellation.
    pub request: Request,
}

/// A question whose completion is being written in a row of the cache.
struct Row {
    question: usize,
    draft: Draft,
    /// Pending tokens of the draft that the student has seen.
    seen: usize,
}

impl<B: Backend> Engine<B> {
    /// Answers `questions`, `rows` at a time; calls `finished` with the index of each and its solution, as it is finished.
    ///
    /// More rows give more answers a second and take more memory: each row has a cache for the longest of the questions.
    /// Logits are summed in another order than by [`Engine::solve`], so that a completion can differ from it where two
    /// tokens are about equally probable; for a given number of rows completions are always the same.
    ///
    /// # Errors
    /// Errors of single questions go to `finished`. The memory cannot be had, or a forward pass fails: the questions that
    /// are not finished then are not answered.
    pub fn solve_batch(
        &mut self,
        questions: &[Question],
        rows: NonZeroUsize,
        mut finished: impl FnMut(usize, Result<Solution, GenerateError>),
    ) -> Result<(), GenerateError> {
        let mut waiting = VecDeque::new();
        for (index, question) in questions.iter().enumerate() {
            match Draft::start(&self.student, &question.text, &question.request) {
                Ok(draft) => waiting.push_back((index, draft)),
                Err(error) => finished(index, Err(error)),
            }
        }
        let Some(positions) = waiting.iter().map(|(_, draft)| draft.most_positions()).max() else { return Ok(()) };
        let mut cache = self.backend.rows(rows.get(), positions)?;
        let mut places: Vec<Option<Row>> = (0..rows.get()).map(|_| None).collect();
        let vocab_size = self.backend.vocab_size();
        loop {
            refill(&self.student, &mut places, &mut waiting, &mut cache, &mut finished);
            if places.iter().all(Option::is_none) {
                return Ok(());
            }
            // A place without a question reads any token, and forgets it before the next step.
            let tokens: Vec<_> = places.iter().map(|row| row.as_ref().map_or(0, Row::next_token)).collect();
            let logits = self.backend.step_rows(&tokens, &mut cache)?;
            for ((index, place), logits) in places.iter_mut().enumerate().zip(logits.chunks_exact(vocab_size)) {
                let Some(row) = place else {
                    cache.clear(index);
                    continue;
                };
                if let Some(result) = row.advance(&self.student, logits) {
                    finished(row.question, result);
                    *place = None;
                }
            }
        }
    }
}

/// Gives every free place to the next waiting question, and ends those that were cancelled or whose time is over.
fn refill(
    student: &Student,
    places: &mut [Option<Row>],
    waiting: &mut VecDeque<(usize, Draft)>,
    cache: &mut impl KeyValueRows,
    finished: &mut impl FnMut(usize, Result<Solution, GenerateError>),
) {
    for (index, place) in places.iter_mut().enumerate() {
        loop {
            if place.is_none() {
                let Some((question, mut draft)) = waiting.pop_front() else { break };
                draft.restart_clock();
                cache.clear(index);
                *place = Some(Row { question, draft, seen: 0 });
            }
            let Some(result) = place.as_mut().and_then(|row| row.draft.interrupted(student).transpose()) else { break };
            if let Some(row) = place.take() {
                finished(row.question, result);
            }
        }
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
