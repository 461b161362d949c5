//! Why an evaluation has no result.

use pupil_models::contract::ContractError;
use pupil_runtime::GenerateError;

use crate::teacher::prompting::ExemplarError;

/// Why an evaluation has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The runtime cannot answer a question.
    #[error("cannot answer example `{id}`")]
    Generate {
        /// The example.
        id: String,
        /// Why.
        source: GenerateError,
    },
    /// There is no example.
    #[error("cannot evaluate: expected at least one example, found none")]
    Empty,
    /// A budget is not usable.
    #[error("budgets: expected numbers above 0, found {found}")]
    Budgets {
        /// What was given.
        found: String,
    },
    /// A method's prompt or budget is not usable.
    #[error("cannot prompt the student")]
    Prompt(#[from] ContractError),
    /// A method's exemplars are not usable.
    #[error("cannot prompt the student with exemplars")]
    Exemplars(#[from] ExemplarError),
    /// Few-shot-CoT without exemplars.
    #[error("few-shot-CoT: expected a file of exemplars, found none")]
    NoExemplars,
    /// Somebody asked to stop.
    #[error("stopped after {done} of {total} examples, without a result; the same command continues from there")]
    Interrupted {
        /// Examples that were answered.
        done: usize,
        /// Examples in all.
        total: usize,
    },
}

impl EvalError {
    /// Whether the student cannot be asked this way at all, while other ways may work: its context is too small for the
    /// prompt, or the task has no exemplars.
    #[must_use]
    pub fn is_about_the_method(&self) -> bool {
        matches!(
            self,
            Self::Generate { source: GenerateError::ContextExceeded { .. }, .. }
                | Self::Exemplars(ExemplarError::Task { .. })
        )
    }
}
