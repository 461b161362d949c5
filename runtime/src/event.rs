//! What a generation reports while it runs and when it has ended.

use std::time::Duration;

use pupil_models::answer::Answer;
use serde::{Deserialize, Serialize, Serializer};

use crate::timing::Timings;

/// One thing that happened during a generation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The prompt was read.
    Prefilled {
        /// Its length.
        prompt_tokens: usize,
    },
    /// The next part of the completion; all parts together are [`Solution::completion`].
    Text {
        /// The part.
        text: String,
    },
    /// A step of the rationale is finished.
    Step(Step),
    /// The generation has ended; the last event.
    Finished(Solution),
}

/// A finished step of the rationale.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Position in the rationale, from 0.
    pub index: usize,
    /// The step, without white space around it.
    pub text: String,
    /// Tokens that begin within the step or in the white space before it.
    pub tokens: usize,
    /// Mean natural logarithm of the probability of the tokens that the student chose for the step; 0 if it chose none.
    pub mean_logprob: f32,
    /// Time from the request to the end of the step.
    #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
    pub elapsed: Duration,
}

/// How a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The student wrote the answer marker and an answer, and ended by itself: by an end token or a stop text.
    Answered,
    /// The rationale's budget ran out, the runtime wrote the answer marker, and the student then answered and ended by
    /// itself.
    Forced,
    /// A budget, the context or the time limit ran out before the student ended.
    Truncated,
    /// The student repeated itself and was stopped.
    Repetition,
    /// The student ended by itself, but there is no answer: no marker, or nothing of the task's answer kind after it.
    Abstained,
    /// The caller cancelled.
    Cancelled,
}

impl Outcome {
    /// Whether the student came to an answer.
    #[must_use]
    pub fn is_answer(self) -> bool {
        matches!(self, Self::Answered | Self::Forced)
    }
}

/// Everything about a generation that has ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Solution {
    /// The rationale's steps.
    pub steps: Vec<Step>,
    /// The answer; present exactly if [`Outcome::is_answer`], so a half written answer is never taken for one.
    pub answer: Option<Answer>,
    /// Geometric mean of the probabilities of the answer's tokens, the end token included; present with the answer.
    pub confidence: Option<f32>,
    /// How the generation ended.
    pub outcome: Outcome,
    /// Tokens used.
    pub usage: Usage,
    /// Times taken.
    pub timings: Timings,
    /// The whole completion, a forced answer marker included, a stop text excluded.
    pub completion: String,
}

/// Tokens used by a generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the completion; the end token is not counted.
    pub completion_tokens: usize,
    /// Of these, up to and including the answer marker.
    pub rationale_tokens: usize,
    /// Of these, after the answer marker.
    pub answer_tokens: usize,
    /// Of these, written by the runtime to force an answer.
    pub forced_tokens: usize,
    /// Most tokens that the completion could have had: the budgets, or what the context left of them.
    pub budget_tokens: usize,
}

/// Serialises a duration as milliseconds.
pub(crate) fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64() * 1e3)
}
