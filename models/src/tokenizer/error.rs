//! Why a tokenizer cannot be used.

use std::path::PathBuf;

/// Why a tokenizer cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The file cannot be read.
    #[error("cannot read the tokenizer `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a tokenizer.
    #[error("tokenizer is not valid: expected a Hugging Face `tokenizer.json`, found {found}")]
    Parse {
        /// What the parser met.
        found: String,
    },
    /// The tables are damaged, of another version, or made of another tokenizer.
    #[error("tables of the tokenizer (`tokenizer.bin`) are not valid: expected {expected}, found {found}")]
    Tables {
        /// What the format asks for.
        expected: String,
        /// What the header says.
        found: String,
    },
    /// The tokenizer belongs to another student.
    #[error(
        "tokenizer does not fit the student: expected ids below {vocab_size} (`vocab_size`), found `{token}` with id {id}"
    )]
    DoesNotFit {
        /// Rows of the student's embedding table.
        vocab_size: usize,
        /// A token beyond it.
        token: String,
        /// Its id.
        id: u32,
    },
    /// The config ends completions with a token that the tokenizer does not know.
    #[error("tokenizer does not fit the student: expected a token for `eos_token_id` {id}, found none")]
    NoEos {
        /// The id in `config.json`.
        id: u32,
    },
    /// Encoding or decoding failed.
    #[error("tokenizer failed: {reason}")]
    Failed {
        /// What the library said, or what is wrong with the tables.
        reason: String,
    },
}

impl TokenizerError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "E_TOKENIZER_READ",
            Self::Parse { .. } => "E_TOKENIZER_PARSE",
            Self::Tables { .. } => "E_TOKENIZER_TABLES",
            Self::DoesNotFit { .. } | Self::NoEos { .. } => "E_TOKENIZER_FIT",
            Self::Failed { .. } => "E_TOKENIZER_FAILED",
        }
    }
}
