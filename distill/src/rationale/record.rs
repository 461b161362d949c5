//! What the store holds about one completion.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::dataset::Example;
use crate::teacher::Completion;

use super::schema;

/// One completion and the example that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RationaleRow {
    /// The example.
    pub example: Example,
    /// The name of the teacher.
    pub teacher: String,
    /// What the teacher wrote.
    pub completion: Completion,
}

impl RationaleRow {
    /// Example and completion in one text, such as `coin_flip/12#0`; unique among one teacher's rationales.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}#{}", self.example.id, self.completion.index)
    }
}

/// An example's place in a run: the source that asks about it, and its position there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExampleKey(pub(super) i64);

impl ExampleKey {
    /// The example at `position` of source `source`.
    ///
    /// # Panics
    /// Never for numbers below [`schema::MOST_SOURCES`] and [`schema::MOST_EXAMPLES`]; others are refused when the source
    /// is registered.
    #[must_use]
    pub fn new(source: u32, position: u64) -> Self {
        Self(schema::example_key(source, position))
    }

    /// The source that asks about the example.
    #[must_use]
    pub fn source(self) -> u32 {
        schema::source_of(self.0)
    }

    /// The example's position in its source.
    #[must_use]
    pub fn position(self) -> u64 {
        schema::position_of(self.0)
    }

    /// The key of completion `index` of this example.
    #[must_use]
    pub fn completion(self, index: u32) -> CompletionKey {
        CompletionKey(schema::completion_key(self.0, index))
    }
}

/// A completion's place in a run; keys in order are completions in the order of the experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompletionKey(pub(super) i64);

impl CompletionKey {
    /// The example that the completion is about.
    #[must_use]
    pub fn example(self) -> ExampleKey {
        ExampleKey(schema::example_of(self.0))
    }
}

/// How far a completion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The rationale is there, the answer has still to be asked for.
    Partial,
    /// It has no answer and none will be asked for, unless the user says so; it can be asked again.
    Failed,
    /// All of it is there; it is never asked for again.
    Done,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Partial, Self::Failed, Self::Done].into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Why a completion failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable code, such as `http_400`.
    pub code: String,
    /// What the teacher said, without secrets.
    pub detail: String,
}

/// What a completion cost and how it came: not part of the data, because it differs from run to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accounting {
    /// The model that answered, as it names itself.
    pub model: Option<String>,
    /// The teacher's own ids of its replies.
    pub response: Option<String>,
    /// Tokens of the prompts, as the teacher counts them.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the replies, as the teacher counts them.
    pub completion_tokens: Option<u64>,
    /// What they cost, in US dollars.
    pub cost_usd: Option<f64>,
    /// Mean log-probability of the rationale's tokens.
    pub mean_logprob: Option<f64>,
    /// When the last reply arrived, in milliseconds of Unix time.
    pub arrived_ms: Option<u64>,
}

/// One completion as it is written into the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The example.
    pub example: ExampleKey,
    /// What the teacher wrote; of a failed one the index, the prompt and what there is.
    pub completion: Completion,
    /// How far it is.
    pub state: State,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Tokens, cost, time.
    pub accounting: Accounting,
}

impl Record {
    /// A whole completion about which nothing else is known.
    #[must_use]
    pub fn done(example: ExampleKey, completion: Completion) -> Self {
        Self { example, completion, state: State::Done, failure: None, accounting: Accounting::default() }
    }

    /// Where it belongs.
    #[must_use]
    pub fn key(&self) -> CompletionKey {
        self.example.completion(self.completion.index)
    }
}
