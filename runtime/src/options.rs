//! How a student is run: what the caller asked for, and what follows from it on this machine.

use std::num::NonZeroUsize;

use pupil_models::bundle::Bundle;
use serde::Serialize;

use crate::kernels::InstructionSet;
use crate::tuning::{self, Choice};

/// Below this many weights one thread is used unless something better is known.
const SMALL_STUDENT_PARAMETERS: usize = 16_000_000;

/// More threads than this are only used when the caller or the tuning says so.
const MOST_DEFAULT_THREADS: usize = 4;

/// What the caller asks for; what is left open is decided by [`EngineOptions::resolve`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// Threads that compute.
    pub threads: Option<NonZeroUsize>,
    /// Whether idle threads look for work for a while before they sleep: faster steps for a busy core.
    pub spinning: Option<bool>,
    /// Whether ONNX Runtime may copy the weights into a layout of its own: long prompts are read faster, memory doubles.
    pub prepacking: Option<bool>,
    /// Pass over what `pupil tune` stored for this machine.
    pub untuned: bool,
    /// Instructions that the operators of a native bundle are made of; by default the fastest that this machine has.
    pub instruction_set: Option<InstructionSet>,
}

/// How a student is run, everything decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Execution {
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// Whether idle threads look for work for a while before they sleep.
    pub spinning: bool,
    /// Whether ONNX Runtime copies the weights into a layout of its own.
    pub prepacking: bool,
    /// Rows that batches are best answered in, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<NonZeroUsize>,
    /// Whether a stored tuning was used for what the caller left open.
    pub tuned: bool,
    /// Instructions that the operators of a native bundle are made of.
    pub instruction_set: InstructionSet,
}

impl EngineOptions {
    /// Decides what the caller left open: by what `pupil tune` stored for this bundle on this machine, else by rules.
    ///
    /// The rules: one thread for a small student, whose products are over before a second thread has woken up, else one per
    /// core that this process may use, at most 4; spinning; no pre-packing, so that the weights stay in the mapped file and
    /// nothing is copied at load, but in portable formats, whose operators crawl without it.
    #[must_use]
    pub fn resolve(&self, bundle: &Bundle) -> Execution {
        let open = self.threads.is_none() || self.spinning.is_none() || self.prepacking.is_none();
        let stored = if open && !self.untuned { tuning::stored(bundle) } else { None };
        let mut execution = self.resolve_with(bundle.config().parameter_count(), stored.as_ref());
        if self.prepacking.is_none() && stored.is_none() {
            // The stock operators for quantised weights are fast in a layout of their own only.
            execution.prepacking = bundle.manifest().weights.is_portable();
        }
        execution
    }

    /// As [`Self::resolve`], for a student with so many weights and a stored choice that is given.
    #[must_use]
    pub fn resolve_with(&self, parameters: usize, stored: Option<&Choice>) -> Execution {
        Execution {
            threads: self
                .threads
                .or(stored.map(|choice| choice.threads))
                .unwrap_or_else(|| default_threads(parameters)),
            spinning: self.spinning.or(stored.map(|choice| choice.spinning)).unwrap_or(true),
            prepacking: self.prepacking.or(stored.map(|choice| choice.prepacking)).unwrap_or(false),
            batch_rows: stored.map(|choice| choice.batch_rows),
            tuned: stored.is_some(),
            instruction_set: self.instruction_set.unwrap_or_else(InstructionSet::best),
        }
    }
}

fn default_threads(parameters: usize) -> NonZeroUsize {
    if parameters < SMALL_STUDENT_PARAMETERS {
        return NonZeroUsize::MIN;
    }
    let most = NonZeroUsize::MIN.saturating_add(MOST_DEFAULT_THREADS - 1);
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    fn stored() -> Choice {
        Choice { threads: count(7), spinning: false, prepacking: true, batch_rows: count(8) }
    }

    #[test]
    fn a_stored_choice_fills_what_is_open() {
        let execution = EngineOptions::default().resolve_with(1, Some(&stored()));
        let expected = Execution {
            threads: count(7),
            spinning: false,
            prepacking: true,
            batch_rows: Some(count(8)),
            tuned: true,
            instruction_set: InstructionSet::best(),
        };
        assert_eq!(execution, expected);
    }

    #[test]
    fn explicit_options_win_over_a_stored_choice() {
        let options = EngineOptions {
            threads: Some(count(2)),
            spinning: Some(true),
            prepacking: Some(false),
            ..EngineOptions::default()
        };
        let execution = options.resolve_with(1, Some(&stored()));
        assert_eq!((execution.threads, execution.spinning, execution.prepacking), (count(2), true, false));
        let half = EngineOptions { threads: Some(count(2)), ..EngineOptions::default() };
        let execution = half.resolve_with(1, Some(&stored()));
        assert_eq!(
            (execution.threads, execution.spinning),
            (count(2), false),
            "one given option does not undo the others"
        );
    }

    #[test]
    fn without_a_choice_the_rules_decide() {
        let small = EngineOptions::default().resolve_with(SMALL_STUDENT_PARAMETERS - 1, None);
        assert_eq!((small.threads, small.spinning, small.prepacking, small.tuned), (count(1), true, false, false));
        let large = EngineOptions::default().resolve_with(SMALL_STUDENT_PARAMETERS, None);
        assert!(large.threads.get() <= MOST_DEFAULT_THREADS);
    }
}
