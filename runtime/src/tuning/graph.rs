//! The graph as ONNX Runtime optimises it on this machine, saved with its pre-packed weights beside the entry.
//!
//! Without it, a session with pre-packing copies the weights to the heap; from the saved form they are mapped. It is used by
//! the rules of a bundle's own files: at every open the owner, the size of both files and the digest of the graph are checked,
//! and the digest of the weights is left to `pupil verify`, because hashing what is mapped would read it. Which bundle,
//! processor and versions it is for, its entry's [`Key`](super::Key) says.

use std::fs;
use std::path::Path;

use pupil_models::bundle::{Bundle, BundleError, FileRecord};
use pupil_models::digest::Digest;
use serde::{Deserialize, Serialize};

use super::{Ignored, Key, Store, owner};
use crate::backend::BackendError;
use crate::backend::onnx;
use crate::error::LoadError;

/// The optimised graph, in the folder of what was saved.
pub(crate) const GRAPH: &str = "model.onnx";
/// Its weights, as they are and pre-packed.
pub(crate) const WEIGHTS: &str = "weights.bin";
/// How the graph refers to pre-packed weights of an operator.
const PREPACKED: &[u8] = b"prepacked_0";

/// What was saved beside an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedGraph {
    /// The optimised graph.
    pub graph: FileRecord,
    /// Its weights, as they are and pre-packed.
    pub weights: FileRecord,
}

/// Why a graph was not saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveGraphError {
    /// The folder or a file in it cannot be written or read.
    #[error(transparent)]
    Folder(#[from] BundleError),
    /// ONNX Runtime cannot save the graph, or cannot open what it saved.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The student cannot be run.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// This version of ONNX Runtime knows no such thing, or no operator of the graph does.
    #[error("expected pre-packed weights in what ONNX Runtime saved, found none")]
    NotPrepacked,
    /// What was saved computes something else.
    #[error("logit {index} of the saved graph: expected {expected}, found {found}")]
    Logits {
        /// Index among the logits of the probe.
        index: usize,
        /// Logit of the bundle's graph.
        expected: f32,
        /// Logit of the saved one.
        found: f32,
    },
}

impl SavedGraph {
    /// Saves the graph of `bundle` into the store, in place of an earlier one of this key, whole or not at all.
    ///
    /// It is kept only if ONNX Runtime opens it again and every logit of a probe is the same to the bit. Nothing uses it before
    /// an [`Entry`](super::Entry) that names it is written; [`Store::write`] removes one that its entry does not name.
    ///
    /// # Errors
    /// [`SaveGraphError`]; an earlier one is then untouched.
    pub fn save(bundle: &Bundle, store: &Store, key: &Key) -> Result<Self, SaveGraphError> {
        let staged = store.stage_graph(key)?;
        onnx::save_graph(bundle, staged.staging())?;
        let path = staged.staging().join(GRAPH);
        let graph = fs::read(&path).map_err(|source| BundleError::Read { path, source })?;
        if !graph.windows(PREPACKED.len()).any(|window| window == PREPACKED) {
            return Err(SaveGraphError::NotPrepacked);
        }
        let mut records = staged.records()?;
        let (Some(graph), Some(weights)) = (records.remove(GRAPH), records.remove(WEIGHTS)) else {
            return Err(SaveGraphError::NotPrepacked);
        };
        staged.seal()?;
        Ok(Self { graph, weights })
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.graph.bytes + self.weights.bytes
    }

    /// Refuses what lies in `folder` if it is not what was saved, as far as that is told without reading the weights.
    pub(super) fn check(&self, folder: &Path) -> Result<(), Ignored> {
        owner::check_own_folder(folder).map_err(|reason| Ignored::in_file("graph", reason))?;
        check_file(folder, WEIGHTS, &self.weights, false)?;
        check_file(folder, GRAPH, &self.graph, true)
    }

    /// As [`Self::check`], every byte read.
    pub(super) fn verify(&self, folder: &Path) -> Result<(), Ignored> {
        self.check(folder)?;
        check_file(folder, WEIGHTS, &self.weights, true)
    }
}

/// Whether a file is as it was recorded; its bytes are read only if `read`.
fn check_file(folder: &Path, name: &'static str, record: &FileRecord, read: bool) -> Result<(), Ignored> {
    let check = || {
        let file = owner::open_own(&folder.join(name))?;
        let found = file.metadata()?.len();
        if found != record.bytes {
            return Err(Ignored::Length { expected: record.bytes, found });
        }
        let expected = record.sha256;
        let found = if read { Digest::of_reader(file)? } else { expected };
        if found == expected { Ok(()) } else { Err(Ignored::Digest { expected, found }) }
    };
    check().map_err(|reason| Ignored::in_file(name, reason))
}
