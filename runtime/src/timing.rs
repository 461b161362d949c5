//! The times that matter to a reader.

use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

/// Times of one generation; in JSON milliseconds under names that end in `_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Timings {
    /// From the request to the first token.
    #[serde(rename = "ttft_ms", serialize_with = "optional_milliseconds")]
    pub time_to_first_token: Option<Duration>,
    /// From the first token to the last, divided by the number of tokens after the first.
    #[serde(rename = "tpot_ms", serialize_with = "optional_milliseconds")]
    pub time_per_output_token: Option<Duration>,
    /// From the request to the end of the first step.
    #[serde(rename = "time_to_first_step_ms", serialize_with = "optional_milliseconds")]
    pub time_to_first_step: Option<Duration>,
    /// From the request to the complete answer; absent if there is none.
    #[serde(rename = "time_to_answer_ms", serialize_with = "optional_milliseconds")]
    pub time_to_answer: Option<Duration>,
    /// From the request to the end.
    #[serde(rename = "total_ms", serialize_with = "crate::event::milliseconds")]
    pub total: Duration,
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn optional_milliseconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => crate::event::milliseconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

/// Takes the times of a running generation, by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    started: Instant,
    first_token: Option<Duration>,
    last_token: Option<Duration>,
    first_step: Option<Duration>,
    tokens: u32,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), first_token: None, last_token: None, first_step: None, tokens: 0 }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A token was chosen.
    pub(crate) fn token(&mut self) {
        let now = self.elapsed();
        self.first_token.get_or_insert(now);
        self.last_token = Some(now);
        self.tokens += 1;
    }

    /// A step was finished.
    pub(crate) fn step(&mut self) -> Duration {
        let now = self.elapsed();
        self.first_step.get_or_insert(now);
        now
    }

    pub(crate) fn timings(&self, answered: bool) -> Timings {
        let total = self.elapsed();
        let span = self.last_token.zip(self.first_token).map(|(last, first)| last.saturating_sub(first));
        Timings {
            time_to_first_token: self.first_token,
            time_per_output_token: span.filter(|_| self.tokens > 1).map(|span| span / (self.tokens - 1)),
            time_to_first_step: self.first_step,
            time_to_answer: answered.then_some(total),
            total,
        }
    }
}
