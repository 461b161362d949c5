//! Damaged tables are refused, or give wrong ids; they never panic or hang.

use proptest::prelude::*;

use super::made;
use crate::digest::Digest;
use crate::tokenizer::{Tokenizer, derive};

const TEXT: &str = "The coin isn't flipped by <|im_start|>Zoë e\u{301}\n\n  日本語 word <left> <both> 2026 <|im_ ß\u{2028}ẞ aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The tables of one kind, and the digest of what they are made of.
fn tables() -> (Vec<u8>, Digest) {
    let json = made::file("llama3", false, true).to_string();
    (derive(json.as_bytes(), &[]).unwrap(), Digest::of(json.as_bytes()))
}

thread_local! {
    static TABLES: (Vec<u8>, Digest) = tables();
}

/// Uses every door of a tokenizer that may be damaged.
fn use_all(tokenizer: &Tokenizer) {
    if let Ok(ids) = tokenizer.encode(TEXT) {
        assert!(ids.iter().all(|&id| id < 1 << 20));
    }
    let ids: Vec<u32> = (0..1300).chain([u32::MAX]).collect();
    tokenizer.decode(&ids).unwrap();
    for name in ["Ġthe", "<|im_start|>", "word"] {
        let _ = tokenizer.token_id(name);
    }
    let _ = tokenizer.check_fits(&super::config(1100, 1099));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn changed_bytes(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..200)) {
        TABLES.with(|(tables, source)| {
            let mut tables = tables.clone();
            for (index, byte) in changes {
                let index = index.index(tables.len());
                tables[index] = byte;
            }
            if let Ok(tokenizer) = Tokenizer::from_tables(tables, *source) {
                use_all(&tokenizer);
            }
        });
    }

    #[test]
    fn a_changed_header(offset in 0usize..96, byte: u8) {
        TABLES.with(|(tables, source)| {
            let mut changed = tables.clone();
            changed[offset] = byte;
            match Tokenizer::from_tables(changed, *source) {
                Ok(tokenizer) => use_all(&tokenizer),
                Err(error) => assert_eq!(error.code(), "E_TOKENIZER_TABLES"),
            }
        });
    }

    #[test]
    fn a_section_of_rubbish(start: prop::sample::Index, rubbish in proptest::collection::vec(any::<u8>(), 1..4000)) {
        TABLES.with(|(tables, source)| {
            let mut tables = tables.clone();
            let start = 96 + start.index(tables.len() - 96);
            let end = tables.len().min(start + rubbish.len());
            tables[start..end].copy_from_slice(&rubbish[..end - start]);
            if let Ok(tokenizer) = Tokenizer::from_tables(tables, *source) {
                use_all(&tokenizer);
            }
        });
    }

    #[test]
    fn a_cut_or_grown_file(length: prop::sample::Index, grown in 1usize..9) {
        TABLES.with(|(tables, source)| {
            let cut = tables[..length.index(tables.len())].to_vec();
            assert_eq!(Tokenizer::from_tables(cut, *source).unwrap_err().code(), "E_TOKENIZER_TABLES");
            let grown = [tables.as_slice(), &vec![0; grown]].concat();
            assert_eq!(Tokenizer::from_tables(grown, *source).unwrap_err().code(), "E_TOKENIZER_TABLES");
        });
    }
}

#[test]
fn full_hash_tables_end() {
    TABLES.with(|(tables, source)| {
        // No slot is empty, so that only the limit of the header ends a look-up.
        let mut tables = tables.clone();
        tables[96 + 4 * 256..].fill(1);
        if let Ok(tokenizer) = Tokenizer::from_tables(tables, *source) {
            use_all(&tokenizer);
        }
    });
}
