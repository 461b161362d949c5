//! Tokenizers for students that are trained from scratch: byte-level, every digit a token of its own.

mod random;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pupil_models::durable;
pub use random::write_random;
use serde::{Deserialize, Serialize};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, PreTokenizer, Tokenizer};

/// The token that ends every completion.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// Why no tokenizer was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VocabularyError {
    /// The library failed.
    #[error("cannot train the tokenizer: {reason}")]
    Failed {
        /// What it said.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write the tokenizer `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// How text is divided into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum VocabularyPlan {
    /// Byte-pair encoding (Sennrich et al. 2016) of this many tokens.
    Merges(usize),
    /// Words that occur in at least this fraction of the texts, and single bytes for everything else.
    ///
    /// A student that must know the letters of names it never saw learns them from bytes; merges would hide them.
    FrequentWords(f64),
}

/// Trains a tokenizer on `texts` and writes it as `tokenizer.json`.
///
/// # Errors
/// The library fails or the file cannot be written.
pub fn train(plan: VocabularyPlan, texts: &[String], path: &Path) -> Result<(), VocabularyError> {
    let tokenizer = match plan {
        VocabularyPlan::Merges(size) => trained_merges(size, texts),
        VocabularyPlan::FrequentWords(share) => frequent_words(share, texts),
    };
    let text = tokenizer.and_then(|tokenizer| tokenizer.to_string(true)).map_err(|error| failed(&error))?;
    durable::write(path, text.as_bytes()).map_err(|source| VocabularyError::Write { path: path.to_owned(), source })
}

fn failed(error: &tokenizers::Error) -> VocabularyError {
    VocabularyError::Failed { reason: error.to_string() }
}

fn pre_tokenizer() -> Sequence {
    let byte_level = ByteLevel::default().add_prefix_space(false);
    Sequence::new(vec![PreTokenizerWrapper::Digits(Digits::new(true)), PreTokenizerWrapper::ByteLevel(byte_level)])
}

fn assemble(model: BPE) -> tokenizers::Result<Tokenizer> {
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer()));
    tokenizer.with_decoder(Some(ByteLevel::default().add_prefix_space(false)));
    tokenizer.add_special_tokens([AddedToken::from(END_OF_TEXT, true)])?;
    Ok(tokenizer)
}

fn trained_merges(size: usize, texts: &[String]) -> tokenizers::Result<Tokenizer> {
    let trainer = BpeTrainerBuilder::new()
        .vocab_size(size)
        .show_progress(false)
        .special_tokens(vec![AddedToken::from(END_OF_TEXT, true)])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut words = Tokenizer::new(BPE::default());
    words.with_pre_tokenizer(Some(pre_tokenizer()));
    words.train(&mut TrainerWrapper::BpeTrainer(trainer), texts.iter().map(String::as_str))?;
    match words.get_model() {
        tokenizers::ModelWrapper::BPE(model) => assemble(model.clone()),
        _ => Err("the trainer returned another model".into()),
    }
}

fn frequent_words(share: f64, texts: &[String]) -> tokenizers::Result<Tokenizer> {
    let threshold = (share * texts.len() as f64).max(1.0);
    let mut counts: HashMap<String, usize> = HashMap::new();
    for text in texts {
        let mut words = words_of(text)?;
        words.sort_unstable();
        words.dedup();
        for word in words {
            *counts.entry(word).or_default() += 1;
        }
    }
    let mut bytes: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    bytes.sort_unstable();
    let is_frequent = |(word, count): &(String, usize)| *count as f64 >= threshold && word.chars().nth(1).is_some();
    let mut words: Vec<String> = counts.into_iter().filter(is_frequent).map(|(word, _)| word).collect();
    words.sort_unstable();
    let tokens = std::iter::once(END_OF_TEXT.to_owned()).chain(bytes.iter().map(char::to_string)).chain(words);
    let vocab: Vocab = tokens.enumerate().map(|(id, token)| (token, id as u32)).collect();
    // Without merges a word is looked up whole, and falls apart into bytes if it is not there.
    assemble(BPE::builder().vocab_and_merges(vocab, vec![]).ignore_merges(true).build()?)
}

fn words_of(text: &str) -> tokenizers::Result<Vec<String>> {
    let mut pretokenized = tokenizers::PreTokenizedString::from(text);
    pre_tokenizer().pre_tokenize(&mut pretokenized)?;
    let splits = pretokenized.get_splits(tokenizers::OffsetReferential::Normalized, tokenizers::OffsetType::Byte);
    Ok(splits.into_iter().map(|(word, _, _)| word.to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<String> {
        (0..50).map(|index| format!("the coin {index} is flipped by Ana{index}")).collect()
    }

    #[test]
    fn both_kinds_round_trip_any_text_and_split_digits() {
        let folder = tempfile::tempdir().unwrap();
        for plan in [VocabularyPlan::Merges(300), VocabularyPlan::FrequentWords(0.5)] {
            let path = folder.path().join("tokenizer.json");
            train(plan, &texts(), &path).unwrap();
            let tokenizer = pupil_models::tokenizer::Tokenizer::read(&path).unwrap();
            for text in ["the coin 2026", " naïve \"Zoë\" \n\t☕", ""] {
                let ids = tokenizer.encode(text).unwrap();
                assert_eq!(tokenizer.decode(&ids).unwrap(), text);
            }
            let digits = tokenizer.encode("2026").unwrap();
            assert_eq!(digits.len(), 4);
            assert_eq!(digits[0], digits[2]);
            assert_eq!(tokenizer.token_id(END_OF_TEXT), Some(0));
        }
    }

    #[test]
    fn frequent_words_are_tokens_and_names_are_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        train(VocabularyPlan::FrequentWords(0.5), &texts(), &path).unwrap();
        let tokenizer = pupil_models::tokenizer::Tokenizer::read(&path).unwrap();
        assert_eq!(tokenizer.encode("the coin").unwrap().len(), 2);
        assert_eq!(tokenizer.encode(" Bea").unwrap().len(), 4);
    }
}
