//! The bundle: a folder that holds everything the runtime needs to answer questions with one student.
//!
//! `models/README.md` is the format's specification. [`Bundle::open`] checks structure without touching the pages of the
//! weights; [`Bundle::verify`] reads every byte.

mod check;
mod error;
mod manifest;
mod map;
mod portable;
mod weights;
mod writer;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

pub use check::check_checkpoint;
pub use error::BundleError;
pub use manifest::{FORMAT_VERSION, FileRecord, Manifest, Parity, Provenance};
pub use weights::{TensorRange, WeightsFile};
pub use writer::BundleWriter;

use crate::config::StudentConfig;
use crate::contract::ReasoningContract;
use crate::digest::Digest;
use crate::tokenizer::Tokenizer;

/// Name of the manifest.
pub const MANIFEST: &str = "pupil.json";
/// Name of the reasoning contract.
pub const CONTRACT: &str = "reasoning.json";
/// Name of the graph; its external data points into [`WEIGHTS`].
pub const GRAPH: &str = "model.onnx";
/// Name of the weights; in float32 shared by libtorch, Hugging Face tools and ONNX Runtime.
pub const WEIGHTS: &str = "model.safetensors";
/// Name of the tokenizer.
pub const TOKENIZER: &str = "tokenizer.json";
/// Name of the architecture.
pub const CONFIG: &str = "config.json";
/// Name of the decoding defaults that Hugging Face tools read.
pub const GENERATION_CONFIG: &str = "generation_config.json";

/// Name of what onnxruntime-genai reads about a portable bundle's graph.
pub const GENAI_CONFIG: &str = "genai_config.json";

/// Files that a manifest must record.
pub const RECORDED_FILES: [&str; 6] = [CONTRACT, GRAPH, WEIGHTS, TOKENIZER, CONFIG, GENERATION_CONFIG];

/// An opened bundle: everything is checked, the weights are mapped.
#[derive(Debug)]
pub struct Bundle {
    folder: PathBuf,
    manifest: Manifest,
    config: StudentConfig,
    contract: ReasoningContract,
    tokenizer: Tokenizer,
    weights: WeightsFile,
}

impl Bundle {
    /// Opens the bundle in `folder`.
    ///
    /// Checked: the manifest, the size of every file, the digest of every file but the weights, the header of the weights
    /// against the architecture, and that tokenizer and contract belong to the student.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, BundleError> {
        let folder = folder.as_ref().to_owned();
        let manifest = Manifest::read(&folder)?;
        for (name, record) in &manifest.files {
            check_size(&folder.join(name), record)?;
            if name != WEIGHTS {
                check_digest(&folder.join(name), record)?;
            }
        }
        let config = StudentConfig::read(&folder.join(CONFIG))?;
        if config.family != manifest.family {
            return Err(BundleError::Family {
                path: folder.join(CONFIG),
                expected: manifest.family,
                found: config.family,
            });
        }
        let contract = ReasoningContract::read(&folder.join(CONTRACT))?;
        if contract.digest() != manifest.contract {
            return Err(BundleError::Digest {
                path: folder.join(CONTRACT),
                expected: manifest.contract,
                found: contract.digest(),
            });
        }
        let tokenizer = Tokenizer::read(&folder.join(TOKENIZER))?;
        tokenizer.check_fits(&config)?;
        let weights = WeightsFile::open(&folder.join(WEIGHTS))?;
        weights.check_against(&config, manifest.weights)?;
        Ok(Self { folder, manifest, config, contract, tokenizer, weights })
    }

    /// Reads every byte: all digests, and that no weight is NaN or infinite.
    pub fn verify(&self) -> Result<(), BundleError> {
        for (name, record) in &self.manifest.files {
            check_digest(&self.folder.join(name), record)?;
        }
        self.weights.check_finite(&self.config)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Path of one of the bundle's files.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The student's architecture.
    #[must_use]
    pub fn config(&self) -> &StudentConfig {
        &self.config
    }

    /// How the student is prompted and read.
    #[must_use]
    pub fn contract(&self) -> &ReasoningContract {
        &self.contract
    }

    /// The student's tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The mapped weights.
    #[must_use]
    pub fn weights(&self) -> &WeightsFile {
        &self.weights
    }
}

fn check_size(path: &Path, record: &FileRecord) -> Result<(), BundleError> {
    let metadata = fs::metadata(path).map_err(|source| BundleError::read(path, source))?;
    if metadata.is_file() && metadata.len() == record.bytes {
        return Ok(());
    }
    Err(BundleError::Size { path: path.to_owned(), expected: record.bytes, found: metadata.len() })
}

fn check_digest(path: &Path, record: &FileRecord) -> Result<(), BundleError> {
    let found = digest_of_file(path)?;
    if found == record.sha256 {
        return Ok(());
    }
    Err(BundleError::Digest { path: path.to_owned(), expected: record.sha256, found })
}

fn digest_of_file(path: &Path) -> Result<Digest, BundleError> {
    let file = File::open(path).map_err(|source| BundleError::read(path, source))?;
    Digest::of_reader(file).map_err(|source| BundleError::read(path, source))
}
