//! One generation: prefill, then decode steps until a rule says stop.

use std::collections::VecDeque;

use crate::backend::Backend;
use crate::backend::onnx::OnnxBackend;
use crate::engine::{Engine, PREFILL_TOKENS};
use crate::error::GenerateError;
use crate::event::{Event, Outcome, Solution, Usage};
use crate::limits::Limits;
use crate::repetition::RepetitionDetector;
use crate::request::{CancelToken, Request};
use crate::sampler::{Choice, Sampler, TokenId};
use crate::timing::Stopwatch;
use crate::transcript::{Transcript, mean};

use pupil_models::step::held_back;

/// A running generation: an iterator of [`Event`]s, of which the last is [`Event::Finished`].
///
/// A call of `next` does the decode steps up to the next event, most often one. After an error there are no more events.
#[derive(Debug)]
pub struct Generation<'e, B: Backend = OnnxBackend> {
    engine: &'e mut Engine<B>,
    /// Tokens that the cache has not seen yet: the prompt at first, then the last token.
    pending: Vec<TokenId>,
    prompt_tokens: usize,
    limits: Limits,
    time_limit: Option<std::time::Duration>,
    cancel: CancelToken,
    sampler: Sampler,
    transcript: Transcript,
    repetition: RepetitionDetector,
    stopwatch: Stopwatch,
    forced_tokens: Option<usize>,
    /// Log-probability of the end token, once it was chosen.
    end_logprob: Option<f32>,
    prefilled: bool,
    done: bool,
    events: VecDeque<Event>,
}

impl<'e, B: Backend> Generation<'e, B> {
    /// Encodes the prompt and sees that it fits; no token is computed yet.
    pub(crate) fn start(engine: &'e mut Engine<B>, question: &str, request: &Request) -> Result<Self, GenerateError> {
        let stopwatch = Stopwatch::start();
        let prompt = engine.tokenizer.encode(&engine.contract.prompt(question))?;
        if prompt.is_empty() {
            return Err(GenerateError::EmptyPrompt);
        }
        engine.check_tokens(&prompt)?;
        let marker_tokens = match &engine.contract.answer_marker {
            Some(marker) => engine.tokenizer.encode(marker.trim_end())?.len(),
            None => 0,
        };
        let context = engine.config.context_tokens;
        let limits = Limits::new(&engine.contract, request, prompt.len(), context, marker_tokens)?;
        engine.reset_cache(prompt.len() + limits.total)?;
        Ok(Self {
            prompt_tokens: prompt.len(),
            pending: prompt,
            limits,
            time_limit: request.time_limit,
            cancel: request.cancel.clone(),
            sampler: Sampler::new(request.sampling),
            transcript: Transcript::new(&engine.contract),
            repetition: RepetitionDetector::new(),
            stopwatch,
            forced_tokens: None,
            end_logprob: None,
            prefilled: false,
            done: false,
            events: VecDeque::new(),
            engine,
        })
    }

    /// Token ids of the completion so far, a forced answer marker included, the end token excluded.
    #[must_use]
    pub fn token_ids(&self) -> Vec<TokenId> {
        self.transcript.token_ids()
    }

    /// Length of the prompt.
    #[must_use]
    pub fn prompt_tokens(&self) -> usize {
        self.prompt_tokens
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
        if self.cancel.is_cancelled() {
            return self.finish(Outcome::Cancelled).map(Some);
        }
        if self.time_limit.is_some_and(|limit| self.stopwatch.elapsed() >= limit) {
            return self.finish(Outcome::Truncated).map(Some);
        }
        let Some(choice) = self.decode()? else { return Ok(None) };
        self.stopwatch.token();
        if self.engine.config.eos_ids.contains(&choice.token) {
            self.end_logprob = Some(choice.logprob);
            return self.end_by_itself().map(Some);
        }
        self.pending.clear();
        self.write(choice.token, Some(choice.logprob))?;
        if self.transcript.stopped() {
            return self.end_by_itself().map(Some);
        }
        if self.repetition.push(choice.token, self.transcript.text()) {
            return self.finish(Outcome::Repetition).map(Some);
        }
        self.keep_within_limits()
    }

    /// Shows the pending tokens to the student; the next token, or `None` while the prompt is not yet read.
    fn decode(&mut self) -> Result<Option<Choice>, GenerateError> {
        if self.pending.len() > PREFILL_TOKENS {
            // Read in parts, so that a long prompt can be cancelled; the last part is left to compute logits from.
            let part: Vec<TokenId> = self.pending.drain(..PREFILL_TOKENS).collect();
            self.engine.forward(&part, 1)?;
            return Ok(None);
        }
        let position = self.prompt_tokens + self.transcript.tokens() - 1;
        let logits = self.engine.forward(&self.pending, 1)?;
        let choice = self.sampler.choose(logits).map_err(|value| GenerateError::NonFinite { position, value })?;
        if !self.prefilled {
            self.prefilled = true;
            self.events.push_back(Event::Prefilled { prompt_tokens: self.prompt_tokens });
        }
        Ok(Some(choice))
    }

    /// Appends a token to the completion and to what the student has still to see.
    fn write(&mut self, token: TokenId, logprob: Option<f32>) -> Result<(), GenerateError> {
        self.pending.push(token);
        let elapsed = self.stopwatch.elapsed();
        let events = self.transcript.push(&self.engine.tokenizer, token, logprob, elapsed)?;
        self.report(events);
        Ok(())
    }

    fn report(&mut self, events: Vec<Event>) {
        for event in events {
            if let Event::Step(_) = event {
                self.stopwatch.step();
            }
            self.events.push_back(event);
        }
    }

    fn keep_within_limits(&mut self) -> Result<Option<Solution>, GenerateError> {
        let tokens = self.transcript.tokens();
        let rationale = self.transcript.rationale_tokens();
        if self.transcript.has_marker() {
            let exhausted = tokens - rationale >= self.limits.answer || tokens >= self.limits.total;
            return if exhausted { self.finish(Outcome::Truncated).map(Some) } else { Ok(None) };
        }
        if rationale < self.limits.rationale {
            return Ok(None);
        }
        match self.forced_tokens {
            None if self.limits.force => self.force_answer(),
            // The marker is written, but its end is held back because a stop text could begin there.
            Some(_) if tokens < self.limits.total => Ok(None),
            _ => self.finish(Outcome::Truncated).map(Some),
        }
    }

    /// Writes the answer marker in the student's place.
    fn force_answer(&mut self) -> Result<Option<Solution>, GenerateError> {
        let marker = self.engine.contract.answer_marker.as_deref().unwrap_or_default();
        // A marker that is already begun is only completed. White space at its end is left to the student, because
        // tokenizers join it to the word that follows.
        let begun = held_back(self.transcript.text(), marker).min(marker.trim_end().len());
        let missing = self.engine.tokenizer.encode(&marker.trim_end()[begun..])?;
        self.forced_tokens = Some(missing.len());
        for token in missing {
            self.write(token, None)?;
        }
        if self.transcript.stopped() {
            return self.end_by_itself().map(Some);
        }
        Ok(None)
    }

    /// The student ended: by an end token or a stop text.
    fn end_by_itself(&mut self) -> Result<Solution, GenerateError> {
        self.finish(if self.forced_tokens.is_some() { Outcome::Forced } else { Outcome::Answered })
    }

    /// Ends the generation; an answering outcome becomes [`Outcome::Abstained`] if there is no answer.
    fn finish(&mut self, outcome: Outcome) -> Result<Solution, GenerateError> {
        self.done = true;
        let events = self.transcript.finish(&self.engine.tokenizer, self.stopwatch.elapsed())?;
        self.report(events);
        let contract = &self.engine.contract;
        let transcript = &self.transcript;
        let predict = || contract.grader.predict(contract.answer, transcript.text(), contract.marker());
        let answer = if outcome.is_answer() && transcript.has_marker() { predict() } else { None };
        let outcome = if outcome.is_answer() && answer.is_none() { Outcome::Abstained } else { outcome };
        let logprobs: Vec<f32> = transcript.answer_logprobs().chain(self.end_logprob).collect();
        let rationale_tokens = transcript.rationale_tokens();
        let solution = Solution {
            steps: transcript.steps().to_vec(),
            confidence: answer.as_ref().and_then(|_| mean(&logprobs)).map(f32::exp),
            usage: Usage {
                prompt_tokens: self.prompt_tokens,
                completion_tokens: transcript.tokens(),
                rationale_tokens,
                answer_tokens: transcript.tokens() - rationale_tokens,
                forced_tokens: self.forced_tokens.unwrap_or(0),
                budget_tokens: self.limits.total,
            },
            timings: self.stopwatch.timings(answer.is_some()),
            completion: transcript.text().to_owned(),
            answer,
            outcome,
        };
        self.events.push_back(Event::Finished(solution.clone()));
        Ok(solution)
    }
}

impl<B: Backend> Iterator for Generation<'_, B> {
    type Item = Result<Event, GenerateError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.events.is_empty() && !self.done {
            if let Err(error) = self.advance() {
                self.done = true;
                self.events.clear();
                return Some(Err(error));
            }
        }
        self.events.pop_front().map(Ok)
    }
}

impl<B: Backend> std::iter::FusedIterator for Generation<'_, B> {}
