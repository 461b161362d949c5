//! What the caller asks for: how tokens are chosen, how long a completion may be, and how it can be stopped.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::RequestError;

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Sampling {
    /// The most probable token; of equals the one with the lowest id.
    #[default]
    Greedy,
    /// A random token.
    Random {
        /// Divides the logits; in `(0, 100]`.
        temperature: f32,
        /// Only so many of the most probable tokens are considered.
        top_k: Option<NonZeroUsize>,
        /// Only the smallest set of most probable tokens with at least this much probability is considered; in `(0, 1]`.
        top_p: Option<f32>,
        /// Equal seeds give equal completions on the same machine and version.
        seed: u64,
    },
}

/// What happens when the rationale's budget is used up before the answer marker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RationaleExhausted {
    /// The runtime writes the answer marker itself and lets the student answer.
    #[default]
    ForceAnswer,
    /// The completion ends without an answer.
    Truncate,
}

/// Stops a generation from another thread or a signal handler; clones stop the same one.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has used yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the generation to end before its next decode step.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, for signal handlers that set a flag.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// A validated request. The default is greedy decoding within the contract's budgets.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub(crate) sampling: Sampling,
    pub(crate) rationale_tokens: Option<NonZeroUsize>,
    pub(crate) answer_tokens: Option<NonZeroUsize>,
    pub(crate) on_rationale_exhausted: RationaleExhausted,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) cancel: CancelToken,
}

impl Request {
    /// Starts a request that differs from the default.
    ///
    /// ```
    /// use pupil_runtime::Request;
    ///
    /// let request = Request::builder().temperature(0.7).top_p(0.9).seed(7).rationale_tokens(64).build()?;
    /// assert!(Request::builder().temperature(f32::NAN).build().is_err());
    /// # Ok::<(), pupil_runtime::RequestError>(())
    /// ```
    #[must_use]
    pub fn builder() -> RequestBuilder {
        RequestBuilder::default()
    }

    /// The token that cancels this request.
    #[must_use]
    pub fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// How tokens are chosen.
    #[must_use]
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }
}

/// Collects the settings of a [`Request`].
#[derive(Clone, Debug, Default)]
pub struct RequestBuilder {
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
    seed: Option<u64>,
    rationale_tokens: Option<usize>,
    answer_tokens: Option<usize>,
    on_rationale_exhausted: RationaleExhausted,
    time_limit: Option<Duration>,
    cancel: CancelToken,
}

impl RequestBuilder {
    /// Samples with this temperature instead of decoding greedily.
    #[must_use]
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Considers only the `top_k` most probable tokens; samples.
    #[must_use]
    pub fn top_k(mut self, top_k: usize) -> Self {
        self.top_k = Some(top_k);
        self
    }

    /// Considers only the most probable tokens that together have probability `top_p`; samples.
    #[must_use]
    pub fn top_p(mut self, top_p: f32) -> Self {
        self.top_p = Some(top_p);
        self
    }

    /// Seeds the sampling; samples.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Replaces the contract's budget of tokens up to and including the answer marker.
    #[must_use]
    pub fn rationale_tokens(mut self, tokens: usize) -> Self {
        self.rationale_tokens = Some(tokens);
        self
    }

    /// Replaces the contract's budget of tokens after the answer marker.
    #[must_use]
    pub fn answer_tokens(mut self, tokens: usize) -> Self {
        self.answer_tokens = Some(tokens);
        self
    }

    /// Says what happens when the rationale's budget is used up.
    #[must_use]
    pub fn on_rationale_exhausted(mut self, choice: RationaleExhausted) -> Self {
        self.on_rationale_exhausted = choice;
        self
    }

    /// Ends the completion, as truncated, once this much time has passed.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Lets `token` cancel the request.
    #[must_use]
    pub fn cancel_token(mut self, token: CancelToken) -> Self {
        self.cancel = token;
        self
    }

    /// Validates the settings.
    ///
    /// # Errors
    /// [`RequestError`] names the first setting that is out of range.
    pub fn build(self) -> Result<Request, RequestError> {
        Ok(Request {
            sampling: self.sampling()?,
            rationale_tokens: positive("rationale_tokens", self.rationale_tokens)?,
            answer_tokens: positive("answer_tokens", self.answer_tokens)?,
            on_rationale_exhausted: self.on_rationale_exhausted,
            time_limit: self.time_limit,
            cancel: self.cancel,
        })
    }

    fn sampling(&self) -> Result<Sampling, RequestError> {
        let samples = self.temperature.is_some() || self.top_k.is_some() || self.top_p.is_some() || self.seed.is_some();
        if !samples {
            return Ok(Sampling::Greedy);
        }
        let temperature = self.temperature.unwrap_or(1.0);
        // The comparisons are false for NaN, so it is refused with everything else out of range.
        if !(temperature > 0.0 && temperature <= 100.0) {
            return Err(out_of_range("temperature", "a number above 0, at most 100", &temperature));
        }
        if let Some(top_p) = self.top_p.filter(|top_p| !(*top_p > 0.0 && *top_p <= 1.0)) {
            return Err(out_of_range("top_p", "a number above 0, at most 1", &top_p));
        }
        Ok(Sampling::Random {
            temperature,
            top_k: positive("top_k", self.top_k)?,
            top_p: self.top_p,
            seed: self.seed.unwrap_or(0),
        })
    }
}

fn positive(setting: &'static str, value: Option<usize>) -> Result<Option<NonZeroUsize>, RequestError> {
    value.map(|value| NonZeroUsize::new(value).ok_or_else(|| out_of_range(setting, "at least 1", &value))).transpose()
}

fn out_of_range(setting: &'static str, expected: &'static str, found: &impl ToString) -> RequestError {
    RequestError { setting, expected, found: found.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_out_of_range_is_named() {
        for (builder, setting) in [
            (Request::builder().temperature(0.0), "temperature"),
            (Request::builder().temperature(1e30), "temperature"),
            (Request::builder().top_p(0.0), "top_p"),
            (Request::builder().top_p(f32::NAN), "top_p"),
            (Request::builder().top_k(0), "top_k"),
            (Request::builder().rationale_tokens(0), "rationale_tokens"),
            (Request::builder().answer_tokens(0), "answer_tokens"),
        ] {
            assert_eq!(builder.build().unwrap_err().setting, setting);
        }
    }

    #[test]
    fn any_sampling_setting_turns_sampling_on() {
        assert_eq!(Request::builder().build().unwrap().sampling(), Sampling::Greedy);
        assert!(matches!(
            Request::builder().seed(3).build().unwrap().sampling(),
            Sampling::Random { seed: 3, top_k: None, top_p: None, .. }
        ));
    }
}
