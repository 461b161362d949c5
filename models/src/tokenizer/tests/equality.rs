//! Tables do what the library does.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::made::{self, Pair};
use crate::tokenizer::{IncrementalDecoder, NotDerived, Tokenizer, derive};

fn assert_equal(pair: &Pair, text: &str) {
    let expected = pair.parsed.encode(text).unwrap();
    let found = pair.mapped.encode(text).unwrap();
    assert_eq!(found, expected, "{}: {text:?}", pair.name);
    assert_eq!(pair.mapped.decode(&found).unwrap(), pair.parsed.decode(&found).unwrap(), "{}: {text:?}", pair.name);
}

thread_local! {
    static PAIRS: Vec<Pair> = made::all();
}

/// Pieces of text that are difficult beside each other.
const PARTS: [&str; 34] = [
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\u{a0}",
    "\u{3000}",
    "'s",
    "'LL",
    "'ſ",
    "word",
    "Wort",
    "a",
    "the",
    "é",
    "e\u{301}",
    "\u{301}",
    "日本",
    "🙂",
    "1",
    "2026",
    "½",
    "<|im_start|>",
    "<|im_",
    "<|endoftext|>",
    "<think>",
    "<left>",
    "<right>",
    "<both>",
    "ß\u{2028}ẞ",
    "<|",
    "!!",
    "\0",
    "\u{212b}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_text_has_the_same_ids(text in "[\\PC\\s\\p{M}]{0,60}") {
        PAIRS.with(|pairs| pairs.iter().for_each(|pair| assert_equal(pair, &text)));
    }

    #[test]
    fn texts_full_of_borders_have_the_same_ids(parts in proptest::collection::vec(0..PARTS.len(), 0..24)) {
        let text: String = parts.into_iter().map(|part| PARTS[part]).collect();
        PAIRS.with(|pairs| pairs.iter().for_each(|pair| assert_equal(pair, &text)));
    }

    #[test]
    fn long_pieces_have_the_same_ids(text in "[aeinorst]{40,400}", repeat in 1usize..4) {
        let text = text.repeat(repeat);
        PAIRS.with(|pairs| pairs.iter().for_each(|pair| assert_equal(pair, &text)));
    }

    #[test]
    fn any_ids_have_the_same_text(ids in proptest::collection::vec(0u32..1400, 0..40)) {
        PAIRS.with(|pairs| for pair in pairs {
            let text = pair.mapped.decode(&ids).unwrap();
            assert_eq!(text, pair.parsed.decode(&ids).unwrap(), "{}", pair.name);
            let mut decoder = IncrementalDecoder::new();
            let mut grown: String = ids.iter().map(|&id| decoder.push(&pair.mapped, id).unwrap()).collect();
            grown.push_str(&decoder.finish(&pair.mapped).unwrap());
            assert_eq!(grown, text, "{}", pair.name);
        });
    }
}

#[test]
fn names_sizes_and_fit_are_the_same() {
    for pair in made::all() {
        assert_eq!(pair.mapped.vocab_size(), pair.parsed.vocab_size(), "{}", pair.name);
        for name in
            ["<|endoftext|>", "Ġthe", "the", "Ċ", "word", " ", "  ", "no such token", "", "<both>", "ß\u{2028}ẞ"]
        {
            assert_eq!(pair.mapped.token_id(name), pair.parsed.token_id(name), "{}: {name:?}", pair.name);
        }
        for (vocab_size, eos) in [(2000, 0), (2000, 1999), (1, 0), (300, 1), (1205, 1204), (1211, 3)] {
            let config = super::config(vocab_size, eos);
            let [mapped, parsed] = [&pair.mapped, &pair.parsed]
                .map(|tokenizer| tokenizer.check_fits(&config).map_err(|error| error.to_string()));
            assert_eq!(mapped, parsed, "{}", pair.name);
        }
    }
}

#[test]
fn what_has_no_tables_is_named() {
    use serde_json::json;

    let change = |pointer: &str, value: serde_json::Value| {
        let mut file = made::file("gpt2", false, false);
        *file.pointer_mut(pointer).unwrap() = value;
        derive(file.to_string().as_bytes(), &[]).unwrap_err().to_string()
    };
    for (pointer, value, found) in [
        ("/normalizer", json!({"type": "NFKC"}), "the normaliser"),
        ("/pre_tokenizer", json!({"type": "Whitespace"}), "the pre-tokenizer"),
        ("/pre_tokenizer", json!(null), "no pre-tokenizer"),
        ("/pre_tokenizer/add_prefix_space", json!(true), "the pre-tokenizer"),
        ("/decoder", json!(null), "a decoder"),
        ("/post_processor", json!({"type": "BertProcessing", "sep": ["!", 0], "cls": ["!", 0]}), "a post-processor"),
        (
            "/truncation",
            json!({"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}),
            "truncation",
        ),
        ("/model/dropout", json!(0.5), "dropout"),
        ("/model/end_of_word_suffix", json!("!"), "a suffix"),
    ] {
        let message = change(pointer, value);
        assert!(message.contains(&format!("found {found}")), "{pointer}: {message}");
    }
    assert!(matches!(derive(b"{}", &[]), Err(NotDerived::Tokenizer(_))));
}

#[test]
fn a_missing_byte_is_left_out_or_becomes_the_unknown_token() {
    let mut file = made::file("gpt2", false, false);
    let vocab = file["model"]["vocab"].as_object_mut().unwrap();
    let newline = vocab.remove("Ċ").unwrap();
    vocab.insert("missing".to_owned(), newline);
    let merges = file["model"]["merges"].as_array_mut().unwrap();
    merges.retain(|pair| pair.as_array().unwrap().iter().all(|side| !side.as_str().unwrap().contains('Ċ')));
    for unknown in [serde_json::Value::Null, "missing".into()] {
        file["model"]["unk_token"] = unknown;
        let pair = Pair::of("no line end", file.to_string().as_bytes());
        for text in ["\n", "\n\n\n", "a\nb", "the \n\n cat\n", "日\n"] {
            assert_equal(&pair, text);
        }
    }
    for fused in ["fuse_unk", "byte_fallback"] {
        let mut file = file.clone();
        file["model"][fused] = true.into();
        let message = derive(file.to_string().as_bytes(), &[]).unwrap_err().to_string();
        assert!(message.ends_with("found no token for the byte 0x0a"), "{message}");
    }
}

#[test]
fn merges_may_be_written_as_lines() {
    let mut file = made::file("qwen2", false, true);
    let pairs = file["model"]["merges"].as_array().unwrap().clone();
    let line = |pair: &serde_json::Value| format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
    file["model"]["merges"] = pairs.iter().map(line).collect();
    let pair = Pair::of("merges as lines", file.to_string().as_bytes());
    assert_equal(&pair, "The same bytes for the same merges, 2026.");
}

/// Real tokenizers, where the caller has some: paths of `tokenizer.json` files, separated by colons.
const REAL: &str = "PUPIL_TOKENIZERS";

fn real() -> Vec<Pair> {
    let paths = std::env::var(REAL).unwrap_or_default();
    if paths.is_empty() {
        println!("no published tokenizers are compared: `{REAL}` names none");
    }
    // Of an empty list there is one path, which is empty.
    let paths = std::env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty());
    paths.map(|path| Pair::of(&path.to_string_lossy(), &fs::read(&path).unwrap())).collect()
}

fn questions(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let lines: Vec<String> = files.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let text_of = |line: &String| {
        let row: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(row.get("question")?.as_str()?.to_owned())
    };
    lines.iter().map(|line| text_of(line).unwrap_or_else(|| line.clone())).collect()
}

#[test]
fn all_questions_of_the_data_sets_have_the_same_ids() {
    let data = std::env::var_os("PUPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let folder = data.join("datasets");
    if !folder.is_dir() {
        println!("no questions are compared: `{}` is not a folder", folder.display());
        return;
    }
    let questions = questions(&folder);
    let made = made::all();
    // The library is slow: the made-up kinds share the questions, the tokenizers that people use get all.
    for (index, pair) in made.iter().enumerate() {
        for question in questions.iter().skip(index).step_by(made.len()) {
            assert_equal(pair, question);
        }
    }
    for pair in std::iter::once(made::shipped()).chain(real()) {
        for question in &questions {
            assert_equal(&pair, question);
        }
        println!("{}: equal ids and texts for {} questions", pair.name, questions.len());
    }
}

#[test]
fn tables_of_another_tokenizer_are_refused() {
    let [one, other] = ["gpt2", "qwen2"].map(|kind| made::file(kind, false, false).to_string());
    let tables = derive(one.as_bytes(), &[]).unwrap();
    let refused = Tokenizer::from_tables(tables, crate::digest::Digest::of(other.as_bytes())).unwrap_err();
    assert_eq!(refused.code(), "E_TOKENIZER_TABLES");
    assert!(refused.to_string().contains("expected tables of the tokenizer sha256:"), "{refused}");
}
