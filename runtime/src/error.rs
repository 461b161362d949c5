//! What can go wrong: when a bundle is loaded, when a request is made, and while an answer is generated.

use std::ffi::OsStr;
use std::path::PathBuf;

use pupil_models::bundle::BundleError;
use pupil_models::format::WeightFormat;
use pupil_models::tokenizer::TokenizerError;

use crate::backend::BackendError;
use crate::device::DeviceError;
use crate::kernels::{CacheType, InstructionSet};

const LIBRARY_HINT: &str = "run `make native`, or set ORT_DYLIB_PATH to a libonnxruntime of your own";

/// Why ONNX Runtime cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// No library anywhere.
    #[error("cannot find ONNX Runtime: expected `libonnxruntime` at one of {}, found none", list(searched))]
    Missing {
        /// The places that were looked at, in order.
        searched: Vec<PathBuf>,
    },
    /// The file is not an ONNX Runtime library.
    #[error("`{path}` cannot be used: expected the ONNX Runtime library, found {found}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the loader said.
        found: String,
    },
    /// The library is too old.
    #[error("`{path}` cannot be used: expected ONNX Runtime {expected} or newer, found {found}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Oldest version that works.
        expected: String,
        /// Version of the library.
        found: String,
    },
    /// The library refused to start.
    #[error("ONNX Runtime did not start: {reason}")]
    Start {
        /// What it said.
        reason: String,
    },
}

impl LibraryError {
    /// How the user can mend it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        LIBRARY_HINT
    }

    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "E_ORT_LIB"
    }
}

/// Names, each in backticks.
pub(crate) fn list(names: &[impl AsRef<OsStr>]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref().display())).collect();
    quoted.join(", ")
}

fn available() -> String {
    let sets = InstructionSet::ALL.into_iter().filter(|set| set.is_available());
    sets.map(|set| format!("`{set}`")).collect::<Vec<_>>().join(", ")
}

fn offered(format: WeightFormat) -> String {
    CacheType::offered_by(format).iter().map(|cache| format!("`{cache}`")).collect::<Vec<_>>().join(", ")
}

/// Why a bundle cannot be loaded into an engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bundle is refused.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// ONNX Runtime cannot be used.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// ONNX Runtime refuses the graph.
    #[error("ONNX Runtime cannot load the graph `{path}`: {reason}")]
    Graph {
        /// The graph.
        path: PathBuf,
        /// What ONNX Runtime said.
        reason: String,
    },
    /// The graph is not one of a student with this config.
    #[error("graph `{path}`, value `{value}`: expected {expected}, found {found}")]
    Signature {
        /// The graph.
        path: PathBuf,
        /// Name of the input or output.
        value: String,
        /// Element type and shape that the config asks for.
        expected: String,
        /// What the graph has.
        found: String,
    },
    /// This machine lacks the instructions that were asked for.
    #[error("instructions `{expected}`: expected a machine that has them, found one with {}", available())]
    Instructions {
        /// What was asked for.
        expected: InstructionSet,
    },
    /// The bundle's operators know no such cache.
    #[error("cache `{expected}`: expected one that a bundle of format `{format}` offers, which are {}", offered(*format))]
    Cache {
        /// What was asked for.
        expected: CacheType,
        /// Form of the bundle.
        format: WeightFormat,
    },
    /// Threads cannot be bound to a core each.
    #[error("affinity: expected {threads} cores that this process may use, one for each thread, found {cores}")]
    Affinity {
        /// Threads that were asked for.
        threads: usize,
        /// Physical cores that are there, as far as the system tells.
        cores: usize,
    },
    /// The device that was asked for cannot compute this student.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The backend cannot get its buffers.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl LoadError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bundle(error) => error.code(),
            Self::Library(error) => error.code(),
            Self::Graph { .. } => "E_GRAPH",
            Self::Signature { .. } => "E_ARCH_MISMATCH",
            Self::Instructions { .. } => "E_INSTRUCTIONS",
            Self::Cache { .. } => "E_CACHE",
            Self::Affinity { .. } => "E_AFFINITY",
            Self::Device(error) => error.code(),
            Self::Backend(error) => error.code(),
        }
    }

    /// How the user can mend it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Library(error) => Some(error.hint()),
            Self::Device(error) => Some(error.hint()),
            Self::Instructions { .. } => Some("name one of those, or none: the fastest is used then"),
            _ => None,
        }
    }
}

/// A setting of a request that is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("request `{setting}`: expected {expected}, found {found}")]
pub struct RequestError {
    /// The setting.
    pub setting: &'static str,
    /// What is accepted.
    pub expected: &'static str,
    /// What was given.
    pub found: String,
}

impl RequestError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "E_REQUEST"
    }
}

/// Why an answer could not be generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The request does not say what this call needs.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The prompt leaves no room for a completion.
    #[error(
        "question does not fit: expected a prompt below the context of {context} tokens, found {prompt_tokens} tokens \
         (and a completion of up to {budget})"
    )]
    ContextExceeded {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Tokens that the completion may take.
        budget: usize,
        /// Tokens that the student can see.
        context: usize,
    },
    /// The prompt has no tokens.
    #[error("prompt is empty: expected at least one token, found none")]
    EmptyPrompt,
    /// A token id is not in the vocabulary.
    #[error("token id {found} is unknown: expected an id below {vocab_size}")]
    UnknownToken {
        /// The id.
        found: u32,
        /// Rows of the embedding table.
        vocab_size: usize,
    },
    /// The student computed something that is not a number.
    #[error("logits at position {position}: expected finite numbers, found {value}")]
    NonFinite {
        /// Position in the sequence, prompt included.
        position: usize,
        /// The first such value.
        value: f32,
    },
    /// Encoding or decoding failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The forward pass failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl GenerateError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Request(error) => error.code(),
            Self::ContextExceeded { .. } => "E_CONTEXT",
            Self::EmptyPrompt => "E_PROMPT",
            Self::UnknownToken { .. } => "E_TOKEN",
            Self::NonFinite { .. } => "E_NONFINITE",
            Self::Tokenizer(error) => error.code(),
            Self::Backend(error) => error.code(),
        }
    }
}
