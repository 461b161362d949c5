//! One completion on its way: what has been written of it, and the records that it leaves in the store.

use std::time::{SystemTime, UNIX_EPOCH};

use super::OpenaiError;
use super::dialect::{Reply, Usage};
use super::request::{Step, Wording};
use crate::dataset::Example;
use crate::rationale::{Accounting, ExampleKey, Failure, Record, State};
use crate::teacher::{Completion, Finish};

/// Completions that failed with this code may succeed another day; a new run asks for them again.
pub(super) const RETRIES_EXHAUSTED: &str = "retries_exhausted";

/// One completion on its way.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Place of the example in the assignment.
    pub(super) at: usize,
    /// Which of the example's completions it is.
    pub(super) index: u32,
    /// The rationale, once it is there and the answer is asked for.
    pub(super) rationale: Option<Written>,
    accounting: Accounting,
    /// Whether every reply so far came with its tokens counted.
    is_counted: bool,
    /// Attempts of this step.
    pub(super) attempts: u32,
    /// Replies of all steps that could not be used.
    pub(super) malformed: u32,
}

/// A text and why it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) finish: Option<Finish>,
}

impl Job {
    /// A completion that nothing is known of.
    pub(super) fn new(at: usize, index: u32) -> Self {
        let accounting = Accounting { prompt_tokens: Some(0), completion_tokens: Some(0), ..Accounting::default() };
        Self { at, index, rationale: None, accounting, is_counted: true, attempts: 0, malformed: 0 }
    }

    /// A completion whose rationale the store holds.
    pub(super) fn half_done(at: usize, completion: Completion, accounting: Accounting) -> Self {
        let rationale = Some(Written { text: completion.rationale, finish: completion.finish });
        let is_counted = accounting.prompt_tokens.is_some() && accounting.completion_tokens.is_some();
        Self { rationale, accounting, is_counted, ..Self::new(at, completion.index) }
    }

    pub(super) fn step(&self) -> Step {
        if self.rationale.is_some() { Step::Answer } else { Step::Rationale }
    }

    /// Adds a reply's tokens, ids and cost.
    pub(super) fn account(&mut self, reply: &mut Reply, usage: Option<Usage>, cost_usd: Option<f64>) {
        let accounting = &mut self.accounting;
        self.is_counted &= usage.is_some();
        let add = |sum: Option<u64>, more: u64| Some(sum.unwrap_or(0).saturating_add(more));
        if let (true, Some(usage)) = (self.is_counted, usage) {
            accounting.prompt_tokens = add(accounting.prompt_tokens, usage.prompt_tokens);
            accounting.completion_tokens = add(accounting.completion_tokens, usage.completion_tokens);
            accounting.cost_usd = cost_usd.map(|cost| cost + accounting.cost_usd.unwrap_or(0.0));
        } else {
            // A sum that lacks a part would pass for a fact.
            (accounting.prompt_tokens, accounting.completion_tokens, accounting.cost_usd) = (None, None, None);
        }
        if self.rationale.is_none() {
            accounting.mean_logprob = reply.mean_logprob();
        }
        accounting.model = reply.model.take().or(accounting.model.take());
        accounting.response = match (accounting.response.take(), reply.id.take()) {
            (Some(first), Some(second)) => Some(format!("{first},{second}")),
            (first, second) => first.or(second),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        accounting.arrived_ms = Some(now.as_millis() as u64);
    }
}

/// Makes records of jobs.
pub(super) struct Scribe<'a> {
    pub(super) wording: &'a Wording,
    pub(super) source: u32,
    pub(super) examples: &'a [(u64, Example)],
}

impl Scribe<'_> {
    /// The record that `reply` makes of `job`, and whether that is a half one, whose answer has still to be asked for; the
    /// job then goes on with the rationale.
    ///
    /// A rationale that the endpoint filtered or refused, or that is cut before its first word, is whole: there is nothing
    /// to ask an answer for.
    pub(super) fn taken(&self, job: &mut Job, reply: Reply) -> Result<(Record, bool), OpenaiError> {
        let Reply { text, reasoning, finish, .. } = reply;
        if let Some(rationale) = job.rationale.take() {
            let completion = Completion {
                rationale: rationale.text,
                finish: rationale.finish,
                prediction: Some(text),
                answer_finish: finish,
                ..self.completion(job)?
            };
            return Ok((self.record(job, completion, State::Done), false));
        }
        if self.wording.takes_reasoning() {
            let prediction = (!text.is_empty()).then_some(text);
            let completion = Completion { rationale: reasoning, prediction, finish, ..self.completion(job)? };
            return Ok((self.record(job, completion, State::Done), false));
        }
        let was_stopped =
            matches!(&finish, Some(Finish::Other(reason)) if reason == "content_filter" || reason == "refusal");
        let is_half = self.wording.has_answer_step() && !was_stopped && !text.trim().is_empty();
        let completion = Completion { rationale: text, finish, ..self.completion(job)? };
        if is_half {
            job.rationale = Some(Written { text: completion.rationale.clone(), finish: completion.finish.clone() });
            job.attempts = 0;
        }
        let state = if is_half { State::Partial } else { State::Done };
        Ok((self.record(job, completion, state), is_half))
    }

    /// The record of a completion that is given up.
    pub(super) fn failed(&self, job: Job, code: &str, detail: String) -> Result<Record, OpenaiError> {
        let mut completion = self.completion(&job)?;
        if let Some(rationale) = job.rationale.clone() {
            (completion.rationale, completion.finish) = (rationale.text, rationale.finish);
        }
        let failure = Some(Failure { code: code.to_owned(), detail });
        Ok(Record { failure, ..self.record(&job, completion, State::Failed) })
    }

    /// The example's first prompt.
    pub(super) fn prompt(&self, job: &Job) -> Result<String, OpenaiError> {
        self.wording.prompt(&self.examples[job.at].1)
    }

    fn completion(&self, job: &Job) -> Result<Completion, OpenaiError> {
        Ok(Completion {
            index: job.index,
            prompt: Some(self.prompt(job)?),
            marker: self.wording.marker().map(str::to_owned),
            parameters: Some(self.wording.parameters().to_owned()),
            seed: self.wording.seed(job.index),
            ..Completion::default()
        })
    }

    fn record(&self, job: &Job, completion: Completion, state: State) -> Record {
        let example = ExampleKey::new(self.source, self.examples[job.at].0);
        Record { example, completion, state, failure: None, accounting: job.accounting.clone() }
    }
}
