//! What a teacher is asked to do: which examples, how often, and under which limits.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::dataset::Example;
use crate::filter::Filter;
use crate::interrupt::Interrupt;
use crate::rationale::Store;
use crate::teacher::Shard;

/// How many completions an example gets: the degree D of diverse reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Degree {
    /// So many.
    Fixed(NonZeroU32),
    /// As many as pay.
    Adaptive(Adaptive),
}

impl Default for Degree {
    fn default() -> Self {
        Self::Fixed(NonZeroU32::MIN)
    }
}

impl Degree {
    /// Most completions that an example can get.
    #[must_use]
    pub fn most(self) -> u32 {
        match self {
            Self::Fixed(degree) => degree.get(),
            Self::Adaptive(adaptive) => adaptive.most.get(),
        }
    }
}

/// When to stop sampling an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adaptive {
    /// Distinct correct rationales that are enough.
    pub enough: NonZeroU32,
    /// Completions after which an example is given up.
    pub most: NonZeroU32,
}

/// What the user says about one run of the teachers, apart from what is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct TeachOptions {
    /// Hard stop, in US dollars over the whole run.
    pub max_cost_usd: Option<f64>,
    /// Most requests that are sent.
    pub max_requests: Option<u64>,
    /// Ask again for all completions that failed, not only for those that may succeed another day.
    pub retry_failed: bool,
    /// Only this part of the examples, in a folder and a store of its own; all of them if absent.
    pub shard: Option<Shard>,
    /// Go on with settings that differ from those that the store was made with.
    pub accept: bool,
    /// Where lines for people go while no terminal shows a progress bar.
    pub notice: Option<fn(&str)>,
}

/// One source's share of a run: the teacher writes every completion into the store as it arrives.
pub struct Assignment<'a> {
    /// Where completions go; what is done there is not asked again.
    pub store: &'a mut Store,
    /// Number of the source.
    pub source: u32,
    /// The examples, each with its position in the source. They are registered.
    pub examples: &'a [(u64, Example)],
    /// Completions per example.
    pub degree: Degree,
    /// Tells correct completions from wrong ones, for adaptive degrees.
    pub filter: &'a Filter,
    /// What the user says about this run.
    pub options: &'a TeachOptions,
    /// Asks to stop.
    pub interrupt: &'a Interrupt,
}
