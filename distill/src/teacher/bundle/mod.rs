//! A bundle of ours as a teacher: a student that teaches, on this machine.
//!
//! Several engines answer side by side, each on one thread and each writing many completions at once; one writer commits what
//! they wrote in groups. Which seed a completion has depends on its example and index alone, and what is written in a row not
//! on the rows beside it, so the order and the number of the workers change nothing.

mod error;
mod pool;
mod sampling;
mod worker;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use pupil_models::bundle::{Bundle, MANIFEST, Manifest};
use pupil_models::digest::Digest;
use pupil_runtime::{Engine, EngineOptions};
use serde::{Deserialize, Serialize};

use super::openai::Questions;
use super::{Assignment, TeachError};

pub use error::BundleTeachError;
pub use sampling::Sampling;

/// Completions that one engine writes side by side at most; more gain little once the cores are busy.
const MOST_ROWS: usize = 32;
/// Memory that one engine's caches may take.
const MOST_CACHE_BYTES: usize = 512 << 20;

/// A local student that teaches.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BundleSource {
    /// What is asked, and how often.
    pub questions: Questions,
    /// The bundle.
    pub bundle: PathBuf,
    /// How it samples.
    pub sampling: Sampling,
    /// How many engines answer side by side; one per core if absent.
    pub workers: Option<NonZeroUsize>,
}

impl BundleSource {
    /// The teacher's name: that of the experiment which made the bundle, or the folder's if the bundle cannot be read.
    #[must_use]
    pub fn name(&self) -> String {
        let folder = || self.bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Manifest::read(&self.bundle).map_or_else(|_| folder(), |manifest| manifest.provenance.name)
    }

    /// Everything that decides what the student writes, as a JSON object: which bundle, and how it samples.
    #[must_use]
    pub fn settings(&self) -> serde_json::Value {
        let digest = std::fs::File::open(self.bundle.join(MANIFEST)).and_then(Digest::of_reader);
        serde_json::json!({"bundle": digest.ok().map(|digest| digest.to_string()), "sampling": self.sampling})
    }

    /// [`Self::settings`] and in how many rows it is written: another number can decide between two words that are about
    /// equally probable.
    fn parameters(&self, rows: NonZeroUsize) -> serde_json::Value {
        let mut parameters = self.settings();
        parameters["rows"] = rows.get().into();
        parameters
    }

    /// Refuses settings that make no sense, in words of expected and found.
    pub fn check(&self) -> Result<(), String> {
        self.sampling.check().map_err(|found| format!("teacher `bundle`: {found}"))?;
        let most = self.questions.degree.most();
        if self.sampling.is_greedy() && most > 1 {
            return Err(format!(
                "teacher `bundle`: expected `degree` 1 at temperature 0, where all completions are equal, found {most}"
            ));
        }
        Ok(())
    }

    fn worker_count(&self, examples: usize) -> usize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.workers.unwrap_or_else(cores).get().min(examples.max(1))
    }
}

/// How many completions an engine writes side by side: as many as pay, if their caches fit into [`MOST_CACHE_BYTES`].
fn rows(bundle: &Bundle) -> NonZeroUsize {
    let config = bundle.config();
    let row_bytes = config.kv_bytes_per_token(size_of::<f32>()) * config.context_tokens;
    NonZeroUsize::new((MOST_CACHE_BYTES / row_bytes.max(1)).min(MOST_ROWS)).unwrap_or(NonZeroUsize::MIN)
}

/// Lets the bundle answer every missing completion of the assignment.
///
/// # Errors
/// [`TeachError`]: the bundle is refused or does not reason, the runtime fails, or somebody asked to stop. What had been
/// answered by then is in the store.
pub fn teach(source: &BundleSource, assignment: &mut Assignment<'_>) -> Result<(), TeachError> {
    let bundle = Bundle::open(&source.bundle).map_err(BundleTeachError::Bundle)?;
    let marker = bundle.contract().marker().map(str::to_owned);
    let marker = marker.ok_or_else(|| BundleTeachError::NoMarker { bundle: source.bundle.clone() })?;
    source.sampling.check().map_err(|found| BundleTeachError::Sampling { found })?;
    let options = EngineOptions { threads: Some(NonZeroUsize::MIN), ..EngineOptions::default() };
    let engines: Vec<Engine> = (0..source.worker_count(assignment.examples.len()))
        .map(|_| Engine::open_with(&bundle, &options))
        .collect::<Result<_, _>>()
        .map_err(BundleTeachError::Load)?;
    let rows = rows(&bundle);
    let lesson = worker::Lesson {
        sampling: &source.sampling,
        teacher: source.name(),
        parameters: source.parameters(rows).to_string(),
        rows,
        marker,
        degree: assignment.degree,
        filter: assignment.filter,
    };
    pool::run(engines, &lesson, assignment)
}

#[cfg(test)]
mod tests;
