//! How a student that teaches chooses its tokens, and the seed of each completion.

use std::num::NonZeroUsize;

use pupil_models::digest::Digest;
use pupil_runtime::{CancelToken, RationaleExhausted, Request, RequestError};
use serde::{Deserialize, Serialize};

use crate::dataset::Example;
use crate::keyed;

/// How a student that teaches samples; the default is greedy, within the budgets of its contract.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f64,
    /// Only the smallest set of most probable tokens with at least this much probability; all if absent.
    pub top_p: Option<f64>,
    /// Completion `i` of an example is sampled with `seed + i`, mixed with the example's id.
    pub seed: u64,
    /// Most tokens up to and including the answer marker; the contract's if absent.
    pub rationale_tokens: Option<NonZeroUsize>,
    /// Most tokens after the answer marker; the contract's if absent.
    pub answer_tokens: Option<NonZeroUsize>,
}

impl Sampling {
    /// Whether equal prompts give equal completions.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0
    }

    /// Refuses numbers that are out of range, in words of expected and found.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..=100.0).contains(&self.temperature) {
            return Err(format!("expected a `temperature` from 0 to 100, found {}", self.temperature));
        }
        if let Some(top_p) = self.top_p {
            if self.is_greedy() {
                return Err("expected no `top_p` at temperature 0, found one".to_owned());
            }
            if !(top_p > 0.0 && top_p <= 1.0) {
                return Err(format!("expected a `top_p` above 0, at most 1, found {top_p}"));
            }
        }
        Ok(())
    }

    /// The seed of completion `index` of `example`; none if nothing is drawn.
    ///
    /// Below 2^53, so that every reader of JSON keeps it whole.
    #[must_use]
    pub fn seed_of(&self, example: &Example, index: u32) -> Option<u64> {
        if self.is_greedy() {
            return None;
        }
        let digest = Digest::of(example.id.as_bytes()).to_string();
        let id: Vec<u64> = digest.bytes().map(u64::from).collect();
        let key = [&[self.seed.wrapping_add(u64::from(index))], id.as_slice()].concat();
        Some(keyed::mix(&key) >> 11)
    }

    /// The request for one completion.
    ///
    /// A rationale that outgrows its budget is not ended by the runtime: a teacher's text is its own, word for word.
    pub(super) fn request(&self, seed: Option<u64>, cancel: &CancelToken) -> Result<Request, RequestError> {
        let mut request =
            Request::builder().on_rationale_exhausted(RationaleExhausted::Truncate).cancel_token(cancel.clone());
        if let Some(seed) = seed {
            request = request.temperature(self.temperature as f32).seed(seed);
        }
        if let Some(top_p) = self.top_p {
            request = request.top_p(top_p as f32);
        }
        if let Some(tokens) = self.rationale_tokens {
            request = request.rationale_tokens(tokens.get());
        }
        if let Some(tokens) = self.answer_tokens {
            request = request.answer_tokens(tokens.get());
        }
        request.build()
    }
}
