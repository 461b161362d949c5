//! A tokenizer that nobody trained: as large, and as costly to load, as one of the same vocabulary size.

use std::collections::HashSet;
use std::path::Path;

use pupil_models::durable;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::{END_OF_TEXT, VocabularyError, assemble, failed};
use crate::keyed::mix;

/// Longest token in characters; the longest words of English have as many.
const LONGEST: usize = 16;

/// Writes a byte-level tokenizer of `vocab_size` tokens, in which `eos_id` is [`END_OF_TEXT`], as `tokenizer.json`.
///
/// Its merges join pieces that are there already, early ones most often, as trained merges do: a third of its tokens begin a
/// word, and a token is about as long as in published vocabularies.
///
/// # Errors
/// The library refuses it, as it does fewer than 257 tokens, or the file cannot be written.
pub fn write_random(vocab_size: usize, eos_id: u32, seed: u64, path: &Path) -> Result<(), VocabularyError> {
    let (vocab, merges) = vocab_and_merges(vocab_size, eos_id, seed);
    let model = BPE::builder().vocab_and_merges(vocab, merges).build();
    let text = model.and_then(assemble).and_then(|tokenizer| tokenizer.to_string(false));
    let text = text.map_err(|error| failed(&error))?;
    durable::write(path, text.as_bytes()).map_err(|source| VocabularyError::Write { path: path.to_owned(), source })
}

fn vocab_and_merges(vocab_size: usize, eos_id: u32, seed: u64) -> (Vocab, Merges) {
    let mut bytes: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    bytes.sort_unstable();
    let mut tokens: Vec<String> = bytes.iter().map(char::to_string).collect();
    let mut known: HashSet<String> = tokens.iter().cloned().collect();
    let mut merges = Vec::new();
    // What words are made of; `Ġ` is how byte-level tokenizers write a blank.
    let mut beginnings: Vec<String> = ('a'..='z').map(|letter| format!("Ġ{letter}")).collect();
    let mut pieces: Vec<String> = ('a'..='z').map(|letter| letter.to_string()).collect();
    for letter in 'a'..='z' {
        if tokens.len() + 1 < vocab_size {
            let token = format!("Ġ{letter}");
            known.insert(token.clone());
            tokens.push(token);
            merges.push(("Ġ".to_owned(), letter.to_string()));
        }
    }
    let mut draw = 0;
    while tokens.len() + 1 < vocab_size {
        draw += 1;
        let bits = mix(&[seed, draw]);
        let begins = bits.is_multiple_of(3);
        let left = early(if begins { &beginnings } else { &pieces }, mix(&[bits, 0])).clone();
        let right = early(&pieces, mix(&[bits, 1])).clone();
        let token = left.clone() + &right;
        if token.chars().count() > LONGEST || !known.insert(token.clone()) {
            continue;
        }
        tokens.push(token.clone());
        merges.push((left, right));
        (if begins { &mut beginnings } else { &mut pieces }).push(token);
    }
    tokens.insert((eos_id as usize).min(tokens.len()), END_OF_TEXT.to_owned());
    let vocab = tokens.into_iter().enumerate().map(|(id, token)| (token, id as u32)).collect();
    (vocab, merges)
}

/// One of `tokens`, an early one more often than a late one.
fn early(tokens: &[String], bits: u64) -> &String {
    let unit = bits as f64 / 2.0_f64.powi(64);
    &tokens[((unit.powi(3) * tokens.len() as f64) as usize).min(tokens.len() - 1)]
}

#[cfg(test)]
mod tests {
    use pupil_models::tokenizer::Tokenizer;

    use super::*;

    #[test]
    fn it_has_the_size_and_the_end_token_that_were_asked_for_and_round_trips_any_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        for (vocab_size, eos_id) in [(257, 0), (3000, 2500)] {
            write_random(vocab_size, eos_id, 1, &path).unwrap();
            let first = std::fs::read(&path).unwrap();
            let tokenizer = Tokenizer::from_bytes(&first).unwrap();
            assert_eq!(tokenizer.vocab_size(), vocab_size);
            assert_eq!(tokenizer.token_id(END_OF_TEXT), Some(eos_id));
            let text = "the coin 2026 naïve \"Zoë\" \n\t☕";
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), text);
            assert_eq!(ids.len() < text.len(), vocab_size > 257, "merges are used where there are some");
            write_random(vocab_size, eos_id, 1, &path).unwrap();
            assert!(std::fs::read(&path).unwrap() == first, "the same seed writes the same bytes");
        }
    }
}
