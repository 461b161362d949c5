//! What a run would ask and cost, without asking.

use super::dialect::Usage;
use super::job::RETRIES_EXHAUSTED;
use super::ledger::{Ledger, estimated_tokens};
use super::request::{Step, Wording};
use super::{OpenaiError, OpenaiSource};
use crate::dataset::Example;
use crate::rationale::{ExampleKey, Reader, Standing, State};

/// What a run would ask and cost at most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Completions of the experiment; with adaptive degrees, those that may be needed.
    pub completions: u64,
    /// Completions that the store holds already.
    pub done: u64,
    /// Requests that are left, without retries; two for each completion in two steps.
    pub requests: u64,
    /// Tokens of their prompts, about: a quarter of their characters.
    pub prompt_tokens: u64,
    /// Tokens of their replies at most.
    pub most_completion_tokens: u64,
    /// What they cost at most, in US dollars, with prompts as estimated; none without a price.
    pub most_cost_usd: Option<f64>,
    /// What the store says was paid already, in US dollars.
    pub spent_usd: f64,
}

/// What asking `source` about `examples` would cost, given what the store of the run (if there is one) holds of the source
/// with number `number`. Sends nothing.
///
/// # Errors
/// A setting, the exemplars or the store cannot be used.
pub fn estimate(
    source: &OpenaiSource,
    number: u32,
    examples: &[(u64, Example)],
    reader: Option<&Reader>,
) -> Result<Estimate, OpenaiError> {
    source.check().map_err(|(key, expected, found)| OpenaiError::Setting { key, expected, found })?;
    let wording = Wording::new(source)?;
    let most = source.questions.degree.most();
    let mut estimate = Estimate { completions: examples.len() as u64 * u64::from(most), ..Estimate::default() };
    if let Some(reader) = reader {
        estimate.spent_usd = reader.progress(number)?.cost_usd;
    }
    for (position, example) in examples {
        let standing = match reader {
            Some(reader) => reader.standing(ExampleKey::new(number, *position))?,
            None => Vec::new(),
        };
        let count = |state| standing.iter().filter(|known| known.index < most && known.state == state).count() as u64;
        let (done, half) = (count(State::Done), count(State::Partial));
        estimate.done += done;
        // Those that no attempt mends are passed over.
        let is_lost = |known: &&Standing| {
            known.index < most && known.state == State::Failed && known.failure.as_deref() != Some(RETRIES_EXHAUSTED)
        };
        let lost = standing.iter().filter(is_lost).count() as u64;
        let fresh = u64::from(most) - done - half - lost;
        if fresh + half > 0 {
            estimate.add(&wording, example, fresh, half)?;
        }
    }
    if source.price.is_some() {
        let ledger = Ledger::new(source.price, None, None, 0.0)?;
        let usage = Usage { prompt_tokens: estimate.prompt_tokens, completion_tokens: estimate.most_completion_tokens };
        estimate.most_cost_usd = Some(ledger.cost(usage));
    }
    Ok(estimate)
}

impl Estimate {
    /// Adds `fresh` whole completions of an example and `half` that lack their answers.
    fn add(&mut self, wording: &Wording, example: &Example, fresh: u64, half: u64) -> Result<(), OpenaiError> {
        let prompt = estimated_tokens(wording.prompt(example)?.len());
        let rationale = u64::from(wording.max_tokens(Step::Rationale));
        self.requests += fresh;
        self.prompt_tokens += fresh * prompt;
        self.most_completion_tokens += fresh * rationale;
        if wording.has_answer_step() {
            let answers = fresh + half;
            self.requests += answers;
            // The second prompt repeats the first one and the longest rationale, and adds the trigger.
            self.prompt_tokens += answers * (prompt + rationale + 8);
            self.most_completion_tokens += answers * u64::from(wording.max_tokens(Step::Answer));
        }
        Ok(())
    }
}
