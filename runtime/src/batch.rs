//! Many questions at once: one decode step serves a row of each of them.
//!
//! A forward pass over sixteen rows costs little more than over one, because the weights are read once. Rows are refilled
//! as they finish, and a prompt is read one token a step beside the other rows' decode steps, so that every pass has the
//! same shape: what a question is answered does not depend on the questions beside it, nor on its row.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use crate::backend::{Backend, KeyValueRows};
use crate::draft::Draft;
use crate::engine::Engine;
use crate::error::GenerateError;
use crate::event::Solution;
use crate::request::Request;
use crate::rows::{Flow, Rows};

/// A question and how it is to be answered.
#[derive(Clone, Debug)]
pub struct Question {
    /// The question's text.
    pub text: String,
    /// Sampling, budgets, cancellation.
    pub request: Request,
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
        self.cache = None;
        let cache = self.new_rows(rows, positions)?;
        Rows::new(&self.student, &mut self.backend, cache, rows).run(
            |_, cache, row| {
                let next = waiting.pop_front().map(|(index, mut draft)| {
                    draft.restart_clock();
                    (index, draft)
                });
                cache.clear(row);
                Ok(next)
            },
            |index, result| {
                finished(index, result);
                Flow::On
            },
        )
    }
}
