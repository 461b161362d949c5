//! Filters: a verdict with a reason on every rationale.
//!
//! The published method keeps a completion if and only if its answer is right; the reasoning itself is never checked. That is
//! [`Filter`], and what an experiment gets that says nothing. An experiment can ask for more with [`Criterion`]s, in the
//! order in which they are put by a [`Judge`]; the first that objects decides. A rejected rationale is data, not an error.
//!
//! A criterion can also stand where it rejects nothing: among those that [weigh](Weighing), where its objection makes the
//! rationale count less in training, and among those that only report.

mod answer;
pub mod arithmetic;
mod contamination;
mod counts;
mod criterion;
mod duplicate;
mod judge;
mod repetition;
mod support;
mod verdict;
mod weight;
mod wording;
mod words;

use std::path::PathBuf;

pub use answer::Filter;
pub use counts::Counts;
pub use criterion::{Contamination, Criterion, Length, NearDuplicate};
pub use judge::{Effect, Finding, Judge, Judgement};
pub use verdict::{Reason, Verdict};
pub use weight::{SampleWeight, WeightError};

use serde::Serialize;

use crate::dataset::DatasetError;

/// Which rationales are kept, with paths resolved and values checked.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterPlan {
    /// What is asked of every rationale, in order.
    pub criteria: Vec<Criterion>,
    /// What makes a kept rationale count less.
    pub weigh: Vec<Weighing>,
    /// What is looked for in kept rationales and counted, without rejecting any.
    pub report: Vec<Criterion>,
}

impl Default for FilterPlan {
    fn default() -> Self {
        Self { criteria: Criterion::published(), weigh: Vec::new(), report: Vec::new() }
    }
}

impl FilterPlan {
    /// Every criterion, whatever its objection does.
    pub fn all_criteria(&self) -> impl Iterator<Item = &Criterion> {
        self.criteria.iter().chain(self.weigh.iter().map(|weighing| &weighing.criterion)).chain(&self.report)
    }
}

/// A criterion whose objection makes a rationale count less.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Weighing {
    /// The criterion.
    pub criterion: Criterion,
    /// The factor of the loss of every rationale that it objects to; where several object, their factors are multiplied.
    pub weight: SampleWeight,
}

/// Why no verdict can be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// The test questions.
    #[error("cannot read the test questions")]
    Dataset(#[from] DatasetError),
    /// The list of hand-checked rationales.
    #[error("cannot read the list of rationales `{path}`")]
    List {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests;
