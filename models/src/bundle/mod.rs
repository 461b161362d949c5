//! The bundle: a folder that holds everything the runtime needs to answer questions with one student.
//!
//! `models/README.md` is the format's specification. [`Bundle::open`] checks structure without touching the pages of the
//! weights; [`Bundle::verify`] reads every byte.

mod check;
mod error;
mod manifest;
mod parity;
mod portable;
#[cfg(test)]
mod tests;
mod weights;
mod writer;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

pub use check::check_checkpoint;
pub use error::BundleError;
pub use manifest::{Calibrated, CalibrationMethod, FORMAT_VERSION, FileRecord, Manifest, Provenance};
pub use parity::{AnswerFlips, Gate, GreedyAgreement, LogitError, Parity, Rung, Spread};
pub use weights::{TensorRange, WeightsFile};
pub use writer::BundleWriter;

use crate::config::StudentConfig;
use crate::contract::ReasoningContract;
use crate::digest::Digest;
use crate::tokenizer::{self, Tokenizer};

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
/// Name of the tables of the tokenizer: derived from [`TOKENIZER`], and used instead of it where a bundle has them.
pub const TOKENIZER_TABLES: &str = "tokenizer.bin";
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
    digest: Digest,
    config: StudentConfig,
    contract: ReasoningContract,
    tokenizer: Tokenizer,
    weights: WeightsFile,
}

impl Bundle {
    /// Opens the bundle in `folder`.
    ///
    /// Checked: the manifest, the size of every file, the digest of every file but the weights and the two forms of a
    /// tokenizer that has tables, the header of the weights against the architecture, the header of the tables against the
    /// digest of the tokenizer, and that tokenizer and contract belong to the student.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, BundleError> {
        let folder = folder.as_ref().to_owned();
        let (manifest, digest) = Manifest::read_with_digest(&folder)?;
        let has_tables = manifest.files.contains_key(TOKENIZER_TABLES);
        for (name, record) in &manifest.files {
            check_size(&folder.join(name), record)?;
            // Hashing what is mapped would read it, and the JSON form is not used beside the tables.
            let is_left_to_verify = match name.as_str() {
                WEIGHTS | TOKENIZER_TABLES => true,
                TOKENIZER => has_tables,
                _ => false,
            };
            if !is_left_to_verify {
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
        let tokenizer = match manifest.files.get(TOKENIZER) {
            Some(record) if has_tables => Tokenizer::map(&folder.join(TOKENIZER_TABLES), record.sha256)?,
            _ => Tokenizer::read(&folder.join(TOKENIZER))?,
        };
        tokenizer.check_fits(&config)?;
        let weights = WeightsFile::open(&folder.join(WEIGHTS))?;
        weights.check_against(&config, manifest.weights)?;
        Ok(Self { folder, manifest, digest, config, contract, tokenizer, weights })
    }

    /// Reads every byte: all digests, that the tables of the tokenizer do what the tokenizer does, and that no weight is NaN
    /// or infinite.
    pub fn verify(&self) -> Result<(), BundleError> {
        for (name, record) in &self.manifest.files {
            check_digest(&self.folder.join(name), record)?;
        }
        if self.tokenizer.is_mapped() {
            self.check_tables()?;
        }
        self.weights.check_finite(&self.config)
    }

    fn check_tables(&self) -> Result<(), BundleError> {
        let path = self.folder.join(TOKENIZER);
        let json = fs::read(&path).map_err(|source| BundleError::read(&path, source))?;
        let refuse = |found| BundleError::Tables { path: self.folder.join(TOKENIZER_TABLES), found };
        let expected = tokenizer::derive(&json, &[]).map_err(|error| refuse(error.to_string()))?;
        let path = self.folder.join(TOKENIZER_TABLES);
        let found = fs::read(&path).map_err(|source| BundleError::read(&path, source))?;
        if found == expected { Ok(()) } else { Err(refuse("other tables".to_owned())) }
    }

    /// Bytes that a position takes in a key-value cache.
    #[must_use]
    pub fn cache_bytes_per_token(&self) -> usize {
        self.config.kv_bytes_per_token(self.manifest.weights.cache_element().bytes())
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

    /// What identifies the bundle: the digest of its manifest, which holds the digests of all its other files.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
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
    watched_digest_of_file(path, &mut |_| Ok(()))
}

/// As [`digest_of_file`]; `watch` is told the bytes of each piece, and ends the work with an error.
fn watched_digest_of_file(path: &Path, watch: &mut dyn FnMut(usize) -> io::Result<()>) -> Result<Digest, BundleError> {
    let file = File::open(path).map_err(|source| BundleError::read(path, source))?;
    Digest::of_reader_watched(file, watch).map_err(|source| BundleError::read(path, source))
}
