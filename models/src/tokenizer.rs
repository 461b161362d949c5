//! The tokenizer of a checkpoint or bundle, and incremental decoding.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::config::StudentConfig;

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
        /// What the library said.
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
            Self::DoesNotFit { .. } | Self::NoEos { .. } => "E_TOKENIZER_FIT",
            Self::Failed { .. } => "E_TOKENIZER_FAILED",
        }
    }
}

/// Text to token ids and back.
#[derive(Clone)]
pub struct Tokenizer(tokenizers::Tokenizer);

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Tokenizer({} tokens)", self.0.get_vocab_size(true))
    }
}

impl Tokenizer {
    /// Reads a Hugging Face `tokenizer.json`.
    pub fn read(path: &Path) -> Result<Self, TokenizerError> {
        let bytes = std::fs::read(path).map_err(|source| TokenizerError::Read { path: path.to_owned(), source })?;
        Self::from_bytes(&bytes)
    }

    /// Parses the bytes of a `tokenizer.json`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenizerError> {
        // The library panics on some malformed files instead of answering with an error.
        catch_unwind(AssertUnwindSafe(|| tokenizers::Tokenizer::from_bytes(bytes)))
            .map_err(|_| TokenizerError::Parse { found: "a file that the parser cannot survive".to_owned() })?
            .map(Self)
            .map_err(|error| TokenizerError::Parse { found: error.to_string() })
    }

    /// Checks that every id has a row in the student's embedding table and that its end tokens exist.
    pub fn check_fits(&self, config: &StudentConfig) -> Result<(), TokenizerError> {
        let beyond = self.0.get_vocab(true).into_iter().filter(|&(_, id)| id as usize >= config.vocab_size);
        if let Some((token, id)) = beyond.min_by_key(|&(_, id)| id) {
            return Err(TokenizerError::DoesNotFit { vocab_size: config.vocab_size, token, id });
        }
        match config.eos_ids.iter().find(|&&id| self.0.id_to_token(id).is_none()) {
            Some(&id) => Err(TokenizerError::NoEos { id }),
            None => Ok(()),
        }
    }

    /// Token ids of `text`, without any special token added.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        guarded(|| self.0.encode_fast(text, false).map(|encoding| encoding.get_ids().to_vec()))
    }

    /// Text of `ids`, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        guarded(|| self.0.decode(ids, true))
    }

    /// Number of tokens, added ones included.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.0.get_vocab_size(true)
    }

    /// Id of a token by its literal name.
    #[must_use]
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.0.token_to_id(token)
    }
}

fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, TokenizerError> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|_| TokenizerError::Failed { reason: "the tokenizer library panicked".to_owned() })?
        .map_err(|error| TokenizerError::Failed { reason: error.to_string() })
}

/// Turns a growing list of token ids into text, never cutting a character.
///
/// Decoding token by token would tear characters that span tokens and lose blanks that a decoder adds or strips at the
/// start. Two overlapping windows are decoded instead, and their difference is emitted once it is valid UTF-8.
///
/// The concatenation of all outputs, [`IncrementalDecoder::finish`] included, equals decoding all ids at once.
#[derive(Clone, Debug, Default)]
pub struct IncrementalDecoder {
    ids: Vec<u32>,
    /// Start of the window whose text is already emitted.
    window: usize,
    /// End of the ids whose text is already emitted.
    emitted: usize,
}

impl IncrementalDecoder {
    /// A decoder at the start of a completion.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next id; returns the text that it completes, possibly empty.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<String, TokenizerError> {
        self.ids.push(id);
        let emitted = tokenizer.decode(&self.ids[self.window..self.emitted])?;
        let whole = tokenizer.decode(&self.ids[self.window..])?;
        // A replacement character at the end may be a character whose remaining bytes are still to come.
        if whole.len() <= emitted.len() || whole.ends_with('\u{FFFD}') {
            return Ok(String::new());
        }
        self.window = self.emitted;
        self.emitted = self.ids.len();
        Ok(whole[whole.floor_char_boundary(emitted.len())..].to_owned())
    }

    /// The held back text: an incomplete character at the very end becomes U+FFFD, as in decoding all at once.
    pub fn finish(&mut self, tokenizer: &Tokenizer) -> Result<String, TokenizerError> {
        let emitted = tokenizer.decode(&self.ids[self.window..self.emitted])?;
        let whole = tokenizer.decode(&self.ids[self.window..])?;
        self.window = self.ids.len();
        self.emitted = self.ids.len();
        Ok(whole.get(emitted.len()..).unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A byte-level tokenizer without merges: every byte is a token, so every character can be cut.
    fn bytes_tokenizer() -> Tokenizer {
        let mut alphabet: Vec<char> =
            tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().collect();
        alphabet.sort_unstable();
        let vocab: serde_json::Map<String, serde_json::Value> =
            alphabet.iter().enumerate().map(|(id, symbol)| (symbol.to_string(), id.into())).collect();
        let byte_level = serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
        let file = serde_json::json!({
            "version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null,
            "pre_tokenizer": byte_level, "decoder": byte_level,
            "model": {"type": "BPE", "vocab": vocab, "merges": []},
        });
        Tokenizer::from_bytes(file.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_tokenizer_that_is_rubbish_is_refused() {
        assert_eq!(Tokenizer::from_bytes(b"{}").unwrap_err().code(), "E_TOKENIZER_PARSE");
        assert_eq!(Tokenizer::read(Path::new("no/such/file")).unwrap_err().code(), "E_TOKENIZER_READ");
    }

    #[test]
    fn a_tokenizer_of_another_student_is_refused() {
        let config = |vocab_size: usize, eos: u32| {
            let text = format!(
                r#"{{"model_type":"llama","vocab_size":{vocab_size},"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1,
                "num_attention_heads":1,"max_position_embeddings":8,"rms_norm_eps":1e-5,"eos_token_id":{eos}}}"#
            );
            StudentConfig::from_json(&text).unwrap()
        };
        let tokenizer = bytes_tokenizer();
        tokenizer.check_fits(&config(256, 255)).unwrap();
        assert!(matches!(tokenizer.check_fits(&config(200, 0)), Err(TokenizerError::DoesNotFit { id: 200, .. })));
        assert!(matches!(tokenizer.check_fits(&config(300, 299)), Err(TokenizerError::NoEos { id: 299 })));
    }

    proptest! {
        #[test]
        fn text_survives_encoding(text in "\\PC{0,40}") {
            let tokenizer = bytes_tokenizer();
            prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap(), text);
        }

        #[test]
        fn increments_concatenate_to_the_whole(ids in proptest::collection::vec(0u32..256, 0..60)) {
            let tokenizer = bytes_tokenizer();
            let mut decoder = IncrementalDecoder::new();
            let mut text: String = ids.iter().map(|&id| decoder.push(&tokenizer, id).unwrap()).collect();
            text.push_str(&decoder.finish(&tokenizer).unwrap());
            prop_assert_eq!(text, tokenizer.decode(&ids).unwrap());
        }
    }
}
