//! How a student is run: what the caller asked for, and what follows from it on this machine.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use pupil_models::bundle::Bundle;
use pupil_models::format::WeightFormat;
use serde::Serialize;

use crate::device::Device;
use crate::kernels::{CacheType, InstructionSet};
use crate::machine;
use crate::tuning::{self, Choice};

/// Below this many weights one thread is used unless something better is known.
const SMALL_STUDENT_PARAMETERS: usize = 16_000_000;

/// More threads than this are only used when the caller or the tuning says so.
const MOST_DEFAULT_THREADS: usize = 4;

/// What the caller asks for; what is left open is decided by [`EngineOptions::resolve`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// Where the student is computed. A device that cannot be used is an error, never another device.
    pub device: Device,
    /// Threads that compute.
    pub threads: Option<NonZeroUsize>,
    /// Whether idle threads look for work for a while before they sleep: faster steps for a busy core.
    pub spinning: Option<bool>,
    /// Whether every thread but the calling one is bound to a core of its own, where the system can (Linux).
    pub affinity: Option<bool>,
    /// Whether ONNX Runtime may copy the weights into a layout of its own: long prompts are read faster, memory doubles.
    pub prepacking: Option<bool>,
    /// What keys and values are stored as: native bundles offer every type; others have what their graph declares, which is
    /// float32, or on a GPU float16.
    pub cache: Option<CacheType>,
    /// Pass over what `pupil tune` stored for this machine.
    pub untuned: bool,
    /// Instructions that the operators of a native bundle are made of; by default the fastest that this machine has.
    pub instruction_set: Option<InstructionSet>,
}

/// How a student is run, everything decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "switches that do not depend on each other")]
pub struct Execution {
    /// Where the student is computed.
    pub device: Device,
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// Whether idle threads look for work for a while before they sleep.
    pub spinning: bool,
    /// Whether every thread but the calling one is bound to a core of its own.
    pub affinity: bool,
    /// Whether ONNX Runtime copies the weights into a layout of its own.
    pub prepacking: bool,
    /// What keys and values are stored as.
    pub cache: CacheType,
    /// Rows that batches are best answered in, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<NonZeroUsize>,
    /// Whether a stored tuning was used for what the caller left open.
    pub tuned: bool,
    /// Whether the optimised graph that `pupil tune` saved is run, its pre-packed weights mapped from there.
    pub saved_graph: bool,
    /// Instructions that the operators of a native bundle are made of.
    pub instruction_set: InstructionSet,
}

impl EngineOptions {
    /// Decides what the caller left open: by what `pupil tune` stored for this bundle on this machine, else by rules.
    ///
    /// The rules: one thread for a small student, whose products are over before a second thread has woken up, else one per
    /// core that this process may use, at most 4; spinning; bound to no core; no pre-packing, so that the weights stay in the
    /// mapped file and nothing is copied at load, but in portable formats, whose operators crawl without it; a float16 cache
    /// where there is a choice. Where weights are pre-packed, the graph that `pupil tune` saved is run, if there is one. What was
    /// tuned was tuned on the CPU, and holds for no other device.
    #[must_use]
    pub fn resolve(&self, bundle: &Bundle) -> Execution {
        self.resolve_saved(bundle).0
    }

    /// As [`Self::resolve`], and the folder of the saved graph that is run, if one is.
    pub(crate) fn resolve_saved(&self, bundle: &Bundle) -> (Execution, Option<PathBuf>) {
        let open = self.threads.is_none()
            || self.spinning.is_none()
            || self.affinity.is_none()
            || self.prepacking.is_none()
            || self.cache.is_none();
        let format = bundle.manifest().weights;
        let has_use = !self.untuned && self.device == Device::Cpu && (open || !format.is_native());
        let stored = if has_use { tuning::entry(bundle) } else { None };
        let choice = stored.as_ref().filter(|_| open).map(|(_, entry)| &entry.choice);
        let mut execution = self.resolve_with(bundle.config().parameter_count(), format, choice);
        let is_prepacked = execution.prepacking && !format.is_native();
        let saved = stored.filter(|_| is_prepacked).and_then(|(store, entry)| store.saved_graph(&entry).ok()?);
        execution.saved_graph = saved.is_some();
        (execution, saved)
    }

    /// As [`Self::resolve`], for a student with so many weights in this format and a stored choice that is given, without
    /// a saved graph.
    #[must_use]
    pub fn resolve_with(&self, parameters: usize, format: WeightFormat, stored: Option<&Choice>) -> Execution {
        let threads =
            self.threads.or(stored.map(|choice| choice.threads)).unwrap_or_else(|| default_threads(parameters));
        // A choice for more cores than this process may use now is none.
        let bound = |choice: &Choice| choice.affinity && threads.get() <= machine::physical_cores().len();
        let offered = CacheType::offered_by(format);
        Execution {
            device: self.device,
            threads,
            spinning: self.spinning.or(stored.map(|choice| choice.spinning)).unwrap_or(true),
            affinity: self.affinity.or(stored.map(bound)).unwrap_or(false),
            // The stock operators for quantised weights are fast in a layout of their own only.
            prepacking: self.prepacking.or(stored.map(|choice| choice.prepacking)).unwrap_or(format.is_portable()),
            cache: self
                .cache
                .or(stored.map(|choice| choice.cache).filter(|cache| offered.contains(cache)))
                .unwrap_or(offered[0]),
            batch_rows: stored.map(|choice| choice.batch_rows),
            tuned: stored.is_some(),
            saved_graph: false,
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
    use pupil_models::format::PortableWeights;
    use pupil_models::packed::Precision;

    use super::*;

    fn count(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    const NATIVE: WeightFormat = WeightFormat::Native(Precision::Four);

    fn stored() -> Choice {
        Choice {
            threads: count(7),
            spinning: false,
            affinity: false,
            prepacking: true,
            cache: CacheType::Int8,
            batch_rows: count(8),
        }
    }

    #[test]
    fn a_stored_choice_fills_what_is_open() {
        let execution = EngineOptions::default().resolve_with(1, NATIVE, Some(&stored()));
        let expected = Execution {
            device: Device::Cpu,
            threads: count(7),
            spinning: false,
            affinity: false,
            prepacking: true,
            cache: CacheType::Int8,
            batch_rows: Some(count(8)),
            tuned: true,
            saved_graph: false,
            instruction_set: InstructionSet::best(),
        };
        assert_eq!(execution, expected);
        let stock = EngineOptions::default().resolve_with(1, WeightFormat::Float32, Some(&stored()));
        assert_eq!(stock.cache, CacheType::Float32, "what the format does not offer is no choice");
    }

    #[test]
    fn a_stored_affinity_needs_a_core_for_every_thread() {
        for (threads, expected) in [(1, !machine::physical_cores().is_empty()), (1_000_000, false)] {
            let choice = Choice { threads: count(threads), affinity: true, ..stored() };
            let execution = EngineOptions::default().resolve_with(1, NATIVE, Some(&choice));
            assert_eq!(execution.affinity, expected, "{threads} threads");
        }
    }

    #[test]
    fn explicit_options_win_over_a_stored_choice() {
        let options = EngineOptions {
            threads: Some(count(2)),
            spinning: Some(true),
            affinity: Some(true),
            prepacking: Some(false),
            cache: Some(CacheType::Float32),
            ..EngineOptions::default()
        };
        let execution = options.resolve_with(1, NATIVE, Some(&stored()));
        assert_eq!((execution.threads, execution.spinning, execution.prepacking), (count(2), true, false));
        assert_eq!((execution.affinity, execution.cache), (true, CacheType::Float32));
        let half = EngineOptions { threads: Some(count(2)), ..EngineOptions::default() };
        let execution = half.resolve_with(1, NATIVE, Some(&stored()));
        assert_eq!(
            (execution.threads, execution.spinning, execution.cache),
            (count(2), false, CacheType::Int8),
            "one given option does not undo the others"
        );
    }

    #[test]
    fn on_a_gpu_the_cache_is_float16() {
        let options = EngineOptions { device: Device::Cuda { ordinal: 1 }, ..EngineOptions::default() };
        let execution = options.resolve_with(1, WeightFormat::Portable(PortableWeights::Eight), None);
        assert_eq!((execution.device, execution.cache), (Device::Cuda { ordinal: 1 }, CacheType::Float16));
    }

    #[test]
    fn without_a_choice_the_rules_decide() {
        let small = EngineOptions::default().resolve_with(SMALL_STUDENT_PARAMETERS - 1, NATIVE, None);
        assert_eq!((small.threads, small.spinning, small.prepacking, small.tuned), (count(1), true, false, false));
        assert_eq!((small.affinity, small.cache), (false, CacheType::Float16));
        let large = EngineOptions::default().resolve_with(SMALL_STUDENT_PARAMETERS, WeightFormat::Float32, None);
        assert!(large.threads.get() <= MOST_DEFAULT_THREADS);
        assert_eq!((large.prepacking, large.cache), (false, CacheType::Float32));
        let portable = WeightFormat::Portable(PortableWeights::Four);
        assert!(EngineOptions::default().resolve_with(1, portable, None).prepacking);
    }
}
