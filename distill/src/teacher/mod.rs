//! Teachers: whoever writes rationales for examples.
//!
//! [`recorded`] replays completions that a large model wrote earlier; [`program`] writes correct rationales over questions
//! that it makes itself.

mod assignment;
pub mod batch;
pub mod bundle;
mod error;
pub mod openai;
pub mod program;
pub mod prompting;
pub mod recorded;
mod shard;

use serde::{Deserialize, Serialize};

use crate::dataset::Example;
use crate::rationale::RationaleRow;

pub use assignment::{Adaptive, Assignment, Degree, TeachOptions};
pub use error::TeachError;
pub use shard::{Shard, ShardError};

/// What a teacher wrote about one example.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// Which of the example's completions this is, from 0.
    pub index: u32,
    /// The exact text that the teacher was given; `None` where it is not known, or where there is none, as for a program.
    pub prompt: Option<String>,
    /// The raw text of the reasoning.
    pub rationale: String,
    /// The raw text of the answer, where it came apart from the reasoning: in a second step, or beside it.
    pub prediction: Option<String>,
    /// Why the teacher stopped writing the rationale; `None` where it is not known.
    pub finish: Option<Finish>,
    /// Why the teacher stopped writing the answer, where that was a step of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_finish: Option<Finish>,
    /// The text that announces the answer within the rationale, where the teacher was told to use one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// What decided the sampling: a JSON object of model, temperature and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
    /// The seed that the teacher was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Completion {
    /// The reasoning without the answer: the rationale up to its answer marker, where there is one.
    #[must_use]
    pub fn reasoning(&self) -> &str {
        let marked = self.marker.as_deref().and_then(|marker| self.rationale.split_once(marker));
        marked.map_or(&self.rationale, |(reasoning, _)| reasoning)
    }
}

/// Why a teacher stopped writing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Finish {
    /// It had finished.
    Stop,
    /// Its token budget was spent.
    Length,
    /// Another reason, as the source words it.
    Other(String),
}

impl From<String> for Finish {
    fn from(reason: String) -> Self {
        match reason.as_str() {
            "stop" => Self::Stop,
            "length" => Self::Length,
            _ => Self::Other(reason),
        }
    }
}

impl From<Finish> for String {
    fn from(finish: Finish) -> Self {
        match finish {
            Finish::Stop => "stop".to_owned(),
            Finish::Length => "length".to_owned(),
            Finish::Other(reason) => reason,
        }
    }
}

/// Whoever writes rationales for given examples.
pub trait Teacher {
    /// The teacher's name, written beside everything it wrote.
    fn name(&self) -> &str;

    /// The teacher's completions of `example`, by index; none is no error.
    fn completions(&self, example: &Example) -> Result<Vec<Completion>, TeachError>;
}

/// What `teacher` wrote about each of `examples`, in their order.
///
/// # Errors
/// The teacher's first error.
pub fn teach(teacher: &dyn Teacher, examples: &[Example]) -> Result<Vec<RationaleRow>, TeachError> {
    let mut rows = Vec::new();
    for example in examples {
        rows.extend(teacher.completions(example)?.into_iter().map(|completion| RationaleRow {
            example: example.clone(),
            teacher: teacher.name().to_owned(),
            completion,
        }));
    }
    Ok(rows)
}
