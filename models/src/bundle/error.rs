//! Why a bundle cannot be opened or written.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::contract::ContractError;
use crate::digest::Digest;
use crate::family::Family;
use crate::tokenizer::TokenizerError;

/// Why a bundle cannot be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The folder holds no manifest.
    #[error("`{folder}` is not a bundle: expected the manifest `pupil.json` in it, found none")]
    NotABundle {
        /// What was given.
        folder: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or the folder cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The manifest is not understood.
    #[error("manifest `{path}` is not valid: {found}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What the parser met.
        found: String,
    },
    /// The bundle is of another format.
    #[error("bundle `{path}`: expected format {expected}, found {found}")]
    Version {
        /// The manifest.
        path: PathBuf,
        /// The format of this build.
        expected: u32,
        /// The format of the bundle.
        found: u32,
    },
    /// The architecture is of another family than the manifest says.
    #[error("config `{path}`: expected the family `{expected}`, found `{found}`")]
    Family {
        /// The config.
        path: PathBuf,
        /// Family in the manifest.
        expected: Family,
        /// Family in the config.
        found: Family,
    },
    /// A file is truncated or grown.
    #[error("`{path}`: expected {expected} bytes, found {found}")]
    Size {
        /// The file.
        path: PathBuf,
        /// Size in the manifest.
        expected: u64,
        /// Size on disk.
        found: u64,
    },
    /// A file was changed.
    #[error("`{path}`: expected {expected}, found {found}")]
    Digest {
        /// The file.
        path: PathBuf,
        /// Digest in the manifest.
        expected: Digest,
        /// Digest of the file.
        found: Digest,
    },
    /// The tables of the tokenizer are not those of the bundle's `tokenizer.json`.
    #[error("`{path}`: expected the tables of `tokenizer.json` beside it, found {found}")]
    Tables {
        /// The file.
        path: PathBuf,
        /// Why they are not.
        found: String,
    },
    /// The weights file is not a safetensors file.
    #[error("weights `{path}` are not a valid safetensors file: {found}")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What the parser met.
        found: String,
    },
    /// The weights are of another architecture.
    #[error("weights `{path}`, tensor `{tensor}`: expected {expected}, found {found}")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Element type and shape that the config asks for.
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// A weight is NaN or infinite.
    #[error("weights `{path}`, tensor `{tensor}`: expected finite numbers, found {value} at index {index}")]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Row-major index of the element; in a packed matrix of integers, of the scale as it is stored.
        index: usize,
        /// The element.
        value: f32,
    },
    /// The config is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The contract is refused.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The tokenizer is refused.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl BundleError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotABundle { .. } => "E_BUNDLE",
            Self::Read { .. } | Self::Write { .. } => "E_IO",
            Self::Manifest { .. } => "E_MANIFEST",
            Self::Version { .. } => "E_VERSION",
            Self::Size { .. } | Self::Digest { .. } => "E_HASH",
            Self::Tables { .. } => "E_TOKENIZER_TABLES",
            Self::Weights { .. } => "E_HDR_JSON",
            Self::Tensor { .. } | Self::Family { .. } => "E_ARCH_MISMATCH",
            Self::NonFinite { .. } => "E_NONFINITE",
            Self::Config(error) => error.code(),
            Self::Contract(error) => error.code(),
            Self::Tokenizer(error) => error.code(),
        }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }
}
