//! The graph as ONNX Runtime optimises it on this machine: saved once with its pre-packed weights, and opened from there.
//!
//! ONNX Runtime still packs each matrix when it opens the saved graph, compares a hash, and keeps the mapped copy instead of the
//! new one: so a saved graph spares memory, little time, and packing that would come out otherwise here is never skipped.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use pupil_models::bundle::{self, Bundle};

use super::OnnxBackend;
use crate::backend::{Backend, BackendError};
use crate::options::EngineOptions;
use crate::sampler::TokenId;
use crate::tuning::{self, SaveGraphError};

/// Keys of the session's settings.
const WEIGHTS_FILE: &str = "session.optimized_model_external_initializers_file_name";
const LEAST_BYTES: &str = "session.optimized_model_external_initializers_min_size_in_bytes";
const SAVE_PREPACKED: &str = "session.save_external_prepacked_constant_initializers";

/// Smaller initialisers stay in the graph: a page is not saved by mapping less than one.
const LEAST_MAPPED_BYTES: &str = "1024";

/// Tokens of the probe that both graphs are compared on.
const PROBE_TOKENS: usize = 24;

/// What a session is made from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// The bundle's graph, optimised while it is opened.
    Bundle,
    /// The same, and the result saved into this folder.
    Saving(&'a Path),
    /// What was saved in this folder, as it is.
    Saved(&'a Path),
}

impl Form<'_> {
    /// The graph's file.
    pub(super) fn path(&self, bundle: &Bundle) -> PathBuf {
        match self {
            Self::Bundle | Self::Saving(_) => bundle.path(bundle::GRAPH),
            Self::Saved(folder) => folder.join(tuning::GRAPH),
        }
    }

    /// Adds the session's settings that the form needs.
    pub(super) fn set(&self, builder: SessionBuilder) -> ort::Result<SessionBuilder> {
        match self {
            Self::Bundle => Ok(builder),
            Self::Saving(folder) => Ok(builder
                .with_optimized_model_path(folder.join(tuning::GRAPH))?
                .with_config_entry(WEIGHTS_FILE, tuning::WEIGHTS)?
                .with_config_entry(LEAST_BYTES, LEAST_MAPPED_BYTES)?
                .with_config_entry(SAVE_PREPACKED, "1")?),
            // Optimised it is; another pass could only turn weights into such as were not packed.
            Self::Saved(_) => Ok(builder.with_optimization_level(GraphOptimizationLevel::Disable)?),
        }
    }
}

/// Saves the optimised graph of `bundle` and its pre-packed weights into `folder`, and opens it from there once.
///
/// # Errors
/// [`SaveGraphError`] if ONNX Runtime cannot save or open it, or a logit of a probe is not the same to the bit.
pub(crate) fn save_graph(bundle: &Bundle, folder: &Path) -> Result<(), SaveGraphError> {
    let options = EngineOptions {
        // What is saved does not depend on threads, and one adds up in the same order each time.
        threads: Some(NonZeroUsize::MIN),
        prepacking: Some(true),
        untuned: true,
        ..EngineOptions::default()
    };
    let execution = options.resolve(bundle);
    // One after the other: each may take as much memory as the student.
    let [expected, found] = [Form::Saving(folder), Form::Saved(folder)].map(|form| {
        let mut backend = OnnxBackend::open(bundle, form, execution)?;
        Ok::<_, SaveGraphError>(probe(&mut backend, bundle.config().context_tokens)?)
    });
    let (expected, found) = (expected?, found?);
    let differs = |(_, (expected, found)): &(usize, (&f32, &f32))| expected.to_bits() != found.to_bits();
    match expected.iter().zip(&found).enumerate().find(differs) {
        Some((index, (&expected, &found))) => Err(SaveGraphError::Logits { index, expected, found }),
        None => Ok(()),
    }
}

/// Logits of a prompt and of a decode step after it, which other kernels compute, `[tokens, vocab_size]`.
fn probe(backend: &mut OnnxBackend, context_tokens: usize) -> Result<Vec<f32>, BackendError> {
    let count = PROBE_TOKENS.min(context_tokens);
    let vocab_size = backend.vocab_size();
    let tokens: Vec<TokenId> = (0..count).map(|index| (index * 7919 % vocab_size) as TokenId).collect();
    let mut cache = backend.cache(count)?;
    let mut logits = Vec::with_capacity(count * vocab_size);
    let (prompt, last) = tokens.split_at(count - 1);
    for part in [prompt, last].into_iter().filter(|part| !part.is_empty()) {
        logits.extend_from_slice(backend.forward(part, &mut cache, part.len())?);
    }
    Ok(logits)
}
