//! Several rationales for one question, and the answer that most of them come to.
//!
//! This is self-consistency (Wang et al. 2022, "Self-Consistency Improves Chain of Thought Reasoning in Language Models"). The
//! prompt is read once; every rationale begins from a copy of its keys and values, and they are decoded side by side.

mod tally;

use std::num::NonZeroUsize;

use pupil_models::answer::Answer;
use serde::Serialize;

pub use tally::{Candidate, Weighting};

use crate::backend::{Backend, BackendError};
use crate::draft::Draft;
use crate::engine::Engine;
use crate::error::{GenerateError, RequestError};
use crate::event::{Outcome, Solution};
use crate::request::{Request, Sampling};
use crate::rows::{Flow, Rows};
use tally::Tally;

/// Rows that are decoded side by side unless the caller or `pupil tune` says otherwise.
const DEFAULT_ROWS: usize = 8;

/// How a vote is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ballot {
    /// Most rationales that are written.
    pub rationales: NonZeroUsize,
    /// What a rationale's vote weighs.
    pub weighting: Weighting,
    /// Stop as soon as the leading answer is the student's most probable one with this certainty; above 0.5, below 1.
    ///
    /// Without it the vote stops early only once the rationales that are missing cannot change its result. With it the
    /// result can change, the more so as short rationales end first and are counted first.
    pub certainty: Option<f64>,
    /// Rationales that are written side by side; by default what `pupil tune` found, else 8. Fewer where the limit of
    /// [`Engine::limit_cache`] leaves no room for so many.
    pub rows: Option<NonZeroUsize>,
}

impl Ballot {
    /// A majority of up to `rationales`.
    #[must_use]
    pub fn new(rationales: NonZeroUsize) -> Self {
        Self { rationales, weighting: Weighting::Majority, certainty: None, rows: None }
    }
}

/// How a vote ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Vote {
    /// The answer with the most weight; of equals the one with more confidence, then the one that came first. None if no
    /// rationale came to an answer.
    pub answer: Option<Answer>,
    /// Share of the finished rationales that came to this answer.
    pub agreement: f64,
    /// All answers, the one with the most weight first.
    pub candidates: Vec<Candidate>,
    /// The finished rationales, in the order in which they ended.
    pub solutions: Vec<Solution>,
    /// Rationales that were asked for.
    pub asked: usize,
    /// Rationales that were written side by side.
    pub rows: usize,
    /// Bytes of the keys and values of the prompt and of all rows.
    pub cache_bytes: usize,
}

impl Vote {
    /// The rationale to show: of those that came to the answer, the one that is surest of it.
    #[must_use]
    pub fn best(&self) -> Option<&Solution> {
        let winner = self.candidates.first()?;
        Some(&self.solutions[winner.best])
    }

    /// Whether somebody cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.solutions.iter().any(|solution| solution.outcome == Outcome::Cancelled)
    }
}

impl<B: Backend> Engine<B> {
    /// Answers `question` by a vote; a time limit of `request` is for the vote as a whole.
    ///
    /// Rationale `i` is sampled with the request's seed plus `i`. For a given number of rows the result is always the same.
    ///
    /// # Errors
    /// [`GenerateError::Request`] if `request` decodes greedily, so that all rationales would be one, or the certainty is
    /// out of range; otherwise as [`Engine::stream`], and whatever a decode step meets.
    pub fn vote(&mut self, question: &str, request: &Request, ballot: &Ballot) -> Result<Vote, GenerateError> {
        let seed = check(request, ballot)?;
        let mut draft = Draft::start(&self.student, question, request)?;
        let positions = draft.most_positions();
        self.reset_cache(draft.prompt_tokens())?;
        let mut tally = Tally::new(ballot);
        while let Some(part) = draft.next_shared_part() {
            if let Some(solution) = draft.interrupted(&self.student)? {
                tally.count(solution);
                return Ok(tally.into_vote(0, self.cache_bytes()));
            }
            self.forward(&part, 1)?;
        }
        let rows = self.rows_for(ballot, positions);
        let cache = self.new_rows(rows, positions)?;
        let cache_bytes = self.cache_bytes() + self.backend.cache_bytes(rows.get(), positions);
        let Self { student, backend, cache: Some(prompt), .. } = self else {
            return Err(BackendError::Capacity { capacity_tokens: 0, found: positions }.into());
        };
        let mut drafts =
            (0..ballot.rationales.get()).map(|index| (index, draft.reseeded(seed.wrapping_add(index as u64))));
        let mut failure = None;
        Rows::new(student, backend, cache, rows).run(
            |backend, cache, row| {
                let next = drafts.next();
                if next.is_some() {
                    backend.fork(prompt, cache, row)?;
                }
                Ok(next)
            },
            |_, result| match result {
                Ok(solution) => tally.count(solution),
                Err(error) => {
                    failure = Some(error);
                    Flow::Stop
                }
            },
        )?;
        failure.map_or_else(|| Ok(tally.into_vote(rows.get(), cache_bytes)), Err)
    }

    fn rows_for(&self, ballot: &Ballot, positions: usize) -> NonZeroUsize {
        let wanted =
            ballot.rows.or(self.batch_rows).map_or(DEFAULT_ROWS, NonZeroUsize::get).min(ballot.rationales.get());
        let rows = NonZeroUsize::new(wanted.min(self.most_rows(positions)));
        // One row is asked for where none fits, so that the error says what is missing.
        rows.unwrap_or(NonZeroUsize::MIN)
    }
}

/// The seed, if the request and the ballot make a vote.
fn check(request: &Request, ballot: &Ballot) -> Result<u64, RequestError> {
    if let Some(certainty) = ballot.certainty.filter(|certainty| !(*certainty > 0.5 && *certainty < 1.0)) {
        let expected = "a probability above 0.5, below 1";
        return Err(RequestError { setting: "certainty", expected, found: certainty.to_string() });
    }
    match request.sampling {
        Sampling::Random { seed, .. } => Ok(seed),
        Sampling::Greedy => {
            let expected = "sampling, so that rationales differ (a temperature, for instance 0.7)";
            Err(RequestError { setting: "sampling", expected, found: "greedy decoding".to_owned() })
        }
    }
}
