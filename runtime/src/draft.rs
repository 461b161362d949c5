//! A completion while it is written: everything about a generation but the forward pass.

use std::collections::VecDeque;

use crate::engine::{PREFILL_TOKENS, Student};
use crate::error::GenerateError;
use crate::event::{Event, Outcome, Solution, Usage};
use crate::limits::Limits;
use crate::repetition::RepetitionDetector;
use crate::request::{CancelToken, Request};
use crate::sampler::{Sampler, TokenId};
use crate::timing::Stopwatch;
use crate::transcript::{Transcript, mean};

use pupil_models::step::held_back;

/// A completion while it is written: shown logits, it chooses tokens until a rule says stop.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
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
    events: VecDeque<Event>,
}

impl Draft {
    /// Encodes the prompt and sees that it fits.
    pub(crate) fn start(student: &Student, question: &str, request: &Request) -> Result<Self, GenerateError> {
        let stopwatch = Stopwatch::start();
        let prompt = student.tokenizer.encode(&student.contract.prompt(question))?;
        if prompt.is_empty() {
            return Err(GenerateError::EmptyPrompt);
        }
        student.check_tokens(&prompt)?;
        let marker_tokens = match &student.contract.answer_marker {
            Some(marker) => student.tokenizer.encode(marker.trim_end())?.len(),
            None => 0,
        };
        let context = student.config.context_tokens;
        let limits = Limits::new(&student.contract, request, prompt.len(), context, marker_tokens)?;
        Ok(Self {
            prompt_tokens: prompt.len(),
            pending: prompt,
            limits,
            time_limit: request.time_limit,
            cancel: request.cancel.clone(),
            sampler: Sampler::new(request.sampling),
            transcript: Transcript::new(&student.contract),
            repetition: RepetitionDetector::new(),
            stopwatch,
            forced_tokens: None,
            end_logprob: None,
            prefilled: false,
            events: VecDeque::new(),
        })
    }

    /// Positions that the prompt and the longest completion take.
    pub(crate) fn most_positions(&self) -> usize {
        self.prompt_tokens + self.limits.total
    }

    pub(crate) fn prompt_tokens(&self) -> usize {
        self.prompt_tokens
    }

    pub(crate) fn token_ids(&self) -> Vec<TokenId> {
        self.transcript.token_ids()
    }

    /// Tokens that the student has still to see before [`Self::choose`]; never empty.
    pub(crate) fn pending(&self) -> &[TokenId] {
        &self.pending
    }

    /// The first part of a prompt that is too long to be read at once, so that it can be cancelled in between.
    pub(crate) fn next_part(&mut self) -> Option<Vec<TokenId>> {
        (self.pending.len() > PREFILL_TOKENS).then(|| self.pending.drain(..PREFILL_TOKENS).collect())
    }

    /// Of what is pending, everything but the last token, in parts that can be read at once.
    pub(crate) fn next_shared_part(&mut self) -> Option<Vec<TokenId>> {
        let shared = (self.pending.len() - 1).min(PREFILL_TOKENS);
        (shared > 0).then(|| self.pending.drain(..shared).collect())
    }

    /// The same draft, choosing its tokens by another seed.
    pub(crate) fn reseeded(&self, seed: u64) -> Self {
        Self { sampler: self.sampler.reseeded(seed), ..self.clone() }
    }

    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn forget_events(&mut self) {
        self.events.clear();
    }

    pub(crate) fn restart_clock(&mut self) {
        self.stopwatch = Stopwatch::start();
    }

    /// The solution, if somebody cancelled or the time is over.
    pub(crate) fn interrupted(&mut self, student: &Student) -> Result<Option<Solution>, GenerateError> {
        if self.cancel.is_cancelled() {
            return self.finish(student, Outcome::Cancelled).map(Some);
        }
        if self.time_limit.is_some_and(|limit| self.stopwatch.elapsed() >= limit) {
            return self.finish(student, Outcome::Truncated).map(Some);
        }
        Ok(None)
    }

    /// Chooses the next token from the logits after the last pending token; the solution once the completion has ended.
    pub(crate) fn choose(&mut self, student: &Student, logits: &[f32]) -> Result<Option<Solution>, GenerateError> {
        let position = self.prompt_tokens + self.transcript.tokens() - 1;
        let choice = self.sampler.choose(logits).map_err(|value| GenerateError::NonFinite { position, value })?;
        if !self.prefilled {
            self.prefilled = true;
            self.events.push_back(Event::Prefilled { prompt_tokens: self.prompt_tokens });
        }
        self.stopwatch.token();
        if student.config.eos_ids.contains(&choice.token) {
            self.end_logprob = Some(choice.logprob);
            return self.end_by_itself(student).map(Some);
        }
        self.pending.clear();
        self.write(student, choice.token, Some(choice.logprob))?;
        if self.transcript.stopped() {
            return self.end_by_itself(student).map(Some);
        }
        if self.repetition.push(choice.token, self.transcript.text()) {
            return self.finish(student, Outcome::Repetition).map(Some);
        }
        self.keep_within_limits(student)
    }

    /// Appends a token to the completion and to what the student has still to see.
    fn write(&mut self, student: &Student, token: TokenId, logprob: Option<f32>) -> Result<(), GenerateError> {
        self.pending.push(token);
        let elapsed = self.stopwatch.elapsed();
        let events = self.transcript.push(&student.tokenizer, token, logprob, elapsed)?;
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

    fn keep_within_limits(&mut self, student: &Student) -> Result<Option<Solution>, GenerateError> {
        let tokens = self.transcript.tokens();
        let rationale = self.transcript.rationale_tokens();
        if self.transcript.has_marker() {
            let exhausted = tokens - rationale >= self.limits.answer || tokens >= self.limits.total;
            return if exhausted { self.finish(student, Outcome::Truncated).map(Some) } else { Ok(None) };
        }
        if rationale < self.limits.rationale {
            return Ok(None);
        }
        match self.forced_tokens {
            None if self.limits.force => self.force_answer(student),
            // The marker is written, but its end is held back because a stop text could begin there.
            Some(_) if tokens < self.limits.total => Ok(None),
            _ => self.finish(student, Outcome::Truncated).map(Some),
        }
    }

    /// Writes the answer marker in the student's place.
    fn force_answer(&mut self, student: &Student) -> Result<Option<Solution>, GenerateError> {
        let marker = student.contract.answer_marker.as_deref().unwrap_or_default();
        // A marker that is already begun is only completed. White space at its end is left to the student, because
        // tokenizers join it to the word that follows.
        let begun = held_back(self.transcript.text(), marker).min(marker.trim_end().len());
        let missing = student.tokenizer.encode(&marker.trim_end()[begun..])?;
        self.forced_tokens = Some(missing.len());
        for token in missing {
            self.write(student, token, None)?;
        }
        if self.transcript.stopped() {
            return self.end_by_itself(student).map(Some);
        }
        Ok(None)
    }

    /// The student ended: by an end token or a stop text.
    fn end_by_itself(&mut self, student: &Student) -> Result<Solution, GenerateError> {
        self.finish(student, if self.forced_tokens.is_some() { Outcome::Forced } else { Outcome::Answered })
    }

    /// Ends the generation; an answering outcome becomes [`Outcome::Abstained`] if there is no answer.
    fn finish(&mut self, student: &Student, outcome: Outcome) -> Result<Solution, GenerateError> {
        let events = self.transcript.finish(&student.tokenizer, self.stopwatch.elapsed())?;
        self.report(events);
        let contract = &student.contract;
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
