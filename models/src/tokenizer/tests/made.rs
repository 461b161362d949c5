//! Tokenizers of every kind that has tables, made on the spot.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use crate::digest::Digest;
use crate::tokenizer::split::{LLAMA3, QWEN2};
use crate::tokenizer::{Tokenizer, derive};

/// Text to learn merges from: English, code, and what else a few lines can hold.
const CORPUS: &str = concat!(
    include_str!("../../../README.md"),
    include_str!("../mapped/mod.rs"),
    "naïve Zoë e\u{301}e\u{301} é é 日本語 日本語 日本 中文 हिन्दी 🙂🙂🙂 ½½ it's IT'S we're     \n\n\n\n\t\t\t\t 2026 2025 1234 aaaa aaaaaaaa",
);

/// Both forms of one tokenizer.
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) parsed: Tokenizer,
    pub(super) mapped: Tokenizer,
}

impl Pair {
    pub(super) fn of(name: &str, json: &[u8]) -> Self {
        let tables = derive(json, &[]).unwrap();
        let mapped = Tokenizer::from_tables(tables, Digest::of(json)).unwrap();
        assert!(mapped.is_mapped());
        Self { name: name.to_owned(), parsed: Tokenizer::from_bytes(json).unwrap(), mapped }
    }
}

/// The model of a vocabulary learned from the corpus, as it stands in a file.
fn learned(tokens: usize) -> Value {
    let trainer = BpeTrainerBuilder::new()
        .vocab_size(tokens)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut tokenizer = tokenizers::Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
    tokenizer.train(&mut TrainerWrapper::BpeTrainer(trainer), CORPUS.lines()).unwrap();
    serde_json::to_value(tokenizer.get_model()).unwrap()
}

static MODEL: LazyLock<Value> = LazyLock::new(|| learned(1200));

fn byte_level(splits: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": splits})
}

fn pre_tokenizer(kind: &str) -> Value {
    let sequence = |steps: [Value; 2]| json!({"type": "Sequence", "pretokenizers": steps});
    let split = |expression: &str| json!({"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": false});
    match kind {
        "whole" => byte_level(false),
        "gpt2" => byte_level(true),
        "digits" => sequence([json!({"type": "Digits", "individual_digits": true}), byte_level(true)]),
        "llama3" => sequence([split(LLAMA3), byte_level(false)]),
        "qwen2" => sequence([split(QWEN2), byte_level(false)]),
        _ => panic!("no kind `{kind}`"),
    }
}

/// Added tokens with every property, some the beginning of others.
fn added_tokens() -> Value {
    let names: [(&str, &str, bool, bool); 12] = [
        ("<|endoftext|>", "", true, false),
        ("<|im_start|>", "", true, false),
        ("<|im", "", true, false),
        ("<|im_", "", false, false),
        ("<think>", "", false, true),
        ("<left>", "l", false, false),
        ("<right>", "r", true, true),
        ("<both>", "lr", true, false),
        ("word", "w", false, false),
        ("Wort", "wl", false, true),
        ("  ", "", false, true),
        ("ß\u{2028}ẞ", "", true, false),
    ];
    let token = |(id, (content, flags, special, normalized)): (usize, (&str, &str, bool, bool))| {
        json!({"id": 1200 + id, "content": content, "single_word": flags.contains('w'), "lstrip": flags.contains('l'),
            "rstrip": flags.contains('r'), "normalized": normalized, "special": special})
    };
    names.into_iter().enumerate().map(token).collect()
}

/// A `tokenizer.json` of one kind.
pub(super) fn file(kind: &str, ignore_merges: bool, composes: bool) -> Value {
    let mut model = MODEL.clone();
    model["ignore_merges"] = ignore_merges.into();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added_tokens(),
        "normalizer": composes.then(|| json!({"type": "NFC"})), "pre_tokenizer": pre_tokenizer(kind),
        "post_processor": byte_level(true), "decoder": byte_level(true), "model": model,
    })
}

/// Every kind, and the shipped student's own tokenizer.
pub(super) fn all() -> Vec<Pair> {
    let kinds = ["whole", "gpt2", "digits", "llama3", "qwen2"];
    let made = kinds.into_iter().flat_map(|kind| {
        [(false, false), (false, true), (true, false)].map(|(ignore_merges, composes)| {
            let file = file(kind, ignore_merges, composes).to_string();
            Pair::of(&format!("{kind}, ignore_merges {ignore_merges}, NFC {composes}"), file.as_bytes())
        })
    });
    made.chain([shipped()]).collect()
}

/// The shipped student's own.
pub(super) fn shipped() -> Pair {
    Pair::of("the shipped student's", include_bytes!("../../../students/symbolic/tokenizer.json"))
}
