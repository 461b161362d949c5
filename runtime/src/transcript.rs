//! The completion as it is written: tokens in; text, steps and the place of the answer out.

use std::time::Duration;

use pupil_models::contract::ReasoningContract;
use pupil_models::step::{Piece, StepSplitter};
use pupil_models::tokenizer::{IncrementalDecoder, Tokenizer, TokenizerError};

use crate::event::{Event, Step};
use crate::sampler::TokenId;
use crate::stop::StopFilter;

/// A token of the completion.
#[derive(Clone, Copy, Debug)]
struct Written {
    id: TokenId,
    /// Byte of the text at which its characters begin.
    start: usize,
    /// `None` if the runtime wrote it.
    logprob: Option<f32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Transcript {
    decoder: IncrementalDecoder,
    filter: StopFilter,
    splitter: StepSplitter,
    tokens: Vec<Written>,
    /// Bytes decoded so far; more than `text` while text is held back.
    decoded: usize,
    text: String,
    steps: Vec<Step>,
    /// Byte after the last step, and index of the first token that belongs to no step yet.
    step_end: (usize, usize),
    /// Byte after the answer marker.
    marker_end: Option<usize>,
}

impl Transcript {
    pub(crate) fn new(contract: &ReasoningContract) -> Self {
        Self {
            decoder: IncrementalDecoder::new(),
            filter: StopFilter::new(&contract.stops),
            splitter: StepSplitter::for_contract(contract),
            tokens: Vec::new(),
            decoded: 0,
            text: String::new(),
            steps: Vec::new(),
            step_end: (0, 0),
            // A student that does not reason starts with its answer.
            marker_end: contract.answer_marker.is_none().then_some(0),
        }
    }

    /// Appends a token; `elapsed` is when. Returns the events that it causes.
    pub(crate) fn push(
        &mut self,
        tokenizer: &Tokenizer,
        id: TokenId,
        logprob: Option<f32>,
        elapsed: Duration,
    ) -> Result<Vec<Event>, TokenizerError> {
        let chunk = self.decoder.push(tokenizer, id)?;
        self.tokens.push(Written { id, start: self.decoded, logprob });
        self.decoded += chunk.len();
        let shown = self.filter.push(&chunk);
        Ok(self.show(shown, elapsed))
    }

    /// Ends the text; everything held back comes out.
    pub(crate) fn finish(&mut self, tokenizer: &Tokenizer, elapsed: Duration) -> Result<Vec<Event>, TokenizerError> {
        let chunk = self.decoder.finish(tokenizer)?;
        let mut shown = self.filter.push(&chunk);
        shown.push_str(&self.filter.finish());
        let mut events = self.show(shown, elapsed);
        let rest = self.splitter.finish();
        events.extend(self.note(rest, elapsed));
        Ok(events)
    }

    /// Whether a stop text has ended the completion.
    pub(crate) fn stopped(&self) -> bool {
        self.filter.stopped()
    }

    /// Whether the answer has begun.
    pub(crate) fn has_marker(&self) -> bool {
        self.marker_end.is_some()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(crate) fn token_ids(&self) -> Vec<TokenId> {
        self.tokens.iter().map(|token| token.id).collect()
    }

    pub(crate) fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Tokens up to and including the answer marker.
    pub(crate) fn rationale_tokens(&self) -> usize {
        self.marker_end.map_or(self.tokens.len(), |end| self.tokens.partition_point(|token| token.start < end))
    }

    /// Log-probabilities of the answer's tokens.
    pub(crate) fn answer_logprobs(&self) -> impl Iterator<Item = f32> + '_ {
        self.tokens[self.rationale_tokens()..].iter().filter_map(|token| token.logprob)
    }

    fn show(&mut self, shown: String, elapsed: Duration) -> Vec<Event> {
        if shown.is_empty() {
            return Vec::new();
        }
        self.text.push_str(&shown);
        let pieces = self.splitter.push(&shown);
        let mut events = vec![Event::Text { text: shown }];
        events.extend(self.note(pieces, elapsed));
        events
    }

    fn note(&mut self, pieces: Vec<Piece>, elapsed: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Step(text) => {
                    let step = self.step(text, elapsed);
                    self.steps.push(step.clone());
                    events.push(Event::Step(step));
                }
                Piece::Marker => {
                    let answer = self.splitter.answer().map_or(0, str::len);
                    self.marker_end = Some(self.text.len() - answer);
                }
            }
        }
        events
    }

    /// A step with the tokens that begin within it or in the white space before it.
    fn step(&mut self, text: String, elapsed: Duration) -> Step {
        let (from, first) = self.step_end;
        // The splitter only trims, so the step is found where the white space ends.
        let begin = from + self.text[from..].find(&text).unwrap_or(0);
        let end = begin + text.len();
        let after = self.tokens.partition_point(|token| token.start < end).max(first);
        self.step_end = (end, after);
        let logprobs: Vec<f32> = self.tokens[first..after].iter().filter_map(|token| token.logprob).collect();
        Step {
            index: self.steps.len(),
            text,
            tokens: after - first,
            mean_logprob: mean(&logprobs).unwrap_or(0.0),
            elapsed,
        }
    }
}

/// The mean, or `None` of nothing.
pub(crate) fn mean(values: &[f32]) -> Option<f32> {
    (!values.is_empty()).then(|| values.iter().sum::<f32>() / values.len() as f32)
}
