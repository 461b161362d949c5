//! The endpoint's requests and replies without a connection, for whoever carries them by files.

use serde_json::Value;

use super::dialect::Reply;
use super::fault::{Fault, ServerError, clip};
use super::job::{Job, Scribe};
use super::request::{Step, Wording};
use super::{Api, OpenaiError, OpenaiSource, Price};
use crate::dataset::Example;
use crate::rationale::{Accounting, Failure, Record};
use crate::teacher::Completion;

/// Words requests and reads replies for one source.
pub(in crate::teacher) struct Offline {
    wording: Wording,
    api: Api,
    price: Option<Price>,
    source: u32,
}

/// A request, and what its reply will be written into.
pub(in crate::teacher) struct Letter {
    job: Job,
    /// The body, as JSON.
    pub(in crate::teacher) body: Vec<u8>,
    /// Characters of what the model is given.
    pub(in crate::teacher) characters: usize,
    /// Most tokens of the reply.
    pub(in crate::teacher) max_tokens: u32,
}

impl Offline {
    /// # Errors
    /// The exemplars cannot be read.
    pub(in crate::teacher) fn new(source: &OpenaiSource, number: u32) -> Result<Self, OpenaiError> {
        let mut source = source.clone();
        // A file has no use for a stream.
        source.endpoint.stream = false;
        Ok(Self { wording: Wording::new(&source)?, api: source.endpoint.api, price: source.price, source: number })
    }

    /// Number of the source.
    pub(in crate::teacher) fn source(&self) -> u32 {
        self.source
    }

    /// Path of the interface at the endpoint's host.
    pub(in crate::teacher) fn path(&self) -> &'static str {
        match self.api {
            Api::Chat => "/v1/chat/completions",
            Api::Completions => "/v1/completions",
        }
    }

    /// Whether answers are asked for in a second step.
    pub(in crate::teacher) fn has_answer_step(&self) -> bool {
        self.wording.has_answer_step()
    }

    /// The request for the rationale of completion `index`.
    ///
    /// # Errors
    /// There are no exemplars for the example's task.
    pub(in crate::teacher) fn rationale(&self, example: &Example, index: u32) -> Result<Letter, OpenaiError> {
        let prompt = self.wording.prompt(example)?;
        Ok(self.letter(Job::new(0, index), &prompt))
    }

    /// The request for the answer to the rationale of `completion`.
    ///
    /// # Errors
    /// There are no exemplars for the example's task.
    pub(in crate::teacher) fn answer(
        &self,
        example: &Example,
        completion: Completion,
        spent: Accounting,
    ) -> Result<Letter, OpenaiError> {
        let prompt = self.wording.prompt(example)?;
        Ok(self.letter(Job::half_done(0, completion, spent), &prompt))
    }

    fn letter(&self, job: Job, prompt: &str) -> Letter {
        let rationale = job.rationale.as_ref().map(|rationale| rationale.text.as_str());
        Letter {
            body: self.wording.body(prompt, rationale, job.index),
            characters: [Some(prompt), rationale].iter().flatten().map(|text| text.chars().count()).sum(),
            max_tokens: self.wording.max_tokens(job.step()),
            job,
        }
    }

    /// US dollars for so many tokens, if there is a price.
    pub(in crate::teacher) fn cost(&self, prompt_tokens: u64, completion_tokens: u64) -> Option<f64> {
        self.price.map(|price| {
            let prompt = prompt_tokens as f64 * price.prompt_usd_per_million;
            (prompt + completion_tokens as f64 * price.completion_usd_per_million) / 1e6
        })
    }

    /// The record that the reply to `letter`, or the lack of one, makes of the completion of the example at `place`.
    ///
    /// # Errors
    /// There are no exemplars for the example's task.
    pub(in crate::teacher) fn opened(
        &self,
        place: &(u64, Example),
        letter: Letter,
        outcome: Result<Value, Failure>,
    ) -> Result<Record, OpenaiError> {
        let Letter { mut job, body, max_tokens, .. } = letter;
        let scribe = Scribe { wording: &self.wording, source: self.source, examples: std::slice::from_ref(place) };
        match outcome.and_then(|body| self.read(job.step(), &body)) {
            Err(Failure { code, detail }) => scribe.failed(job, &code, detail),
            Ok(mut reply) => {
                let bytes = reply.text.len() + reply.reasoning.len();
                let usage = reply.usage.and_then(|usage| usage.credible(body.len(), bytes, max_tokens));
                let cost = usage.and_then(|usage| self.cost(usage.prompt_tokens, usage.completion_tokens));
                job.account(&mut reply, usage, cost);
                scribe.taken(&mut job, reply).map(|(record, _)| record)
            }
        }
    }

    fn read(&self, step: Step, body: &Value) -> Result<Reply, Failure> {
        let takes_reasoning = self.wording.takes_reasoning() && step == Step::Rationale;
        let failed = |fault: Fault| Failure { code: fault.code, detail: fault.detail };
        let mut reply = Reply::read(&body.to_string()).map_err(failed)?;
        if takes_reasoning {
            reply.separate_reasoning();
        }
        reply.require_text(takes_reasoning).map_err(failed)?;
        Ok(reply)
    }
}

/// What an error reply says, in one short line.
pub(in crate::teacher) fn error_text(body: &Value) -> String {
    let error = ServerError::of(body).map(|error| error.message);
    clip(&error.unwrap_or_else(|| body.to_string()))
}
