mod equality;
mod hostile;
mod linear;
mod made;

use std::path::Path;

use proptest::prelude::*;

use super::{IncrementalDecoder, Tokenizer, TokenizerError};
use crate::config::StudentConfig;

/// A byte-level tokenizer without merges: every byte is a token, so every character can be cut.
fn bytes_tokenizer() -> Tokenizer {
    let mut alphabet: Vec<char> = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let vocab: serde_json::Map<String, serde_json::Value> =
        alphabet.iter().enumerate().map(|(id, symbol)| (symbol.to_string(), id.into())).collect();
    let byte_level =
        serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let file = serde_json::json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null,
        "pre_tokenizer": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    });
    Tokenizer::from_bytes(file.to_string().as_bytes()).unwrap()
}

fn config(vocab_size: usize, eos: u32) -> StudentConfig {
    let text = format!(
        r#"{{"model_type":"llama","vocab_size":{vocab_size},"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1,
        "num_attention_heads":1,"max_position_embeddings":8,"rms_norm_eps":1e-5,"eos_token_id":{eos}}}"#
    );
    StudentConfig::from_json(&text).unwrap()
}

#[test]
fn a_tokenizer_that_is_rubbish_is_refused() {
    assert_eq!(Tokenizer::from_bytes(b"{}").unwrap_err().code(), "E_TOKENIZER_PARSE");
    assert_eq!(Tokenizer::read(Path::new("no/such/file")).unwrap_err().code(), "E_TOKENIZER_READ");
}

#[test]
fn a_tokenizer_of_another_student_is_refused() {
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
