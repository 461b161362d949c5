use proptest::prelude::*;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, SplitDelimiterBehavior};

use super::*;

fn pattern(expression: &str) -> PreTokenizerWrapper {
    let expression = SplitPattern::Regex(expression.to_owned());
    PreTokenizerWrapper::Split(Split::new(expression, SplitDelimiterBehavior::Isolated, false).unwrap())
}

/// What the library does for a splitter.
fn library(splitter: Splitter) -> PreTokenizerWrapper {
    let gpt2 = || PreTokenizerWrapper::ByteLevel(ByteLevel::default().add_prefix_space(false));
    match splitter {
        Splitter::Whole => PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, false)),
        Splitter::Gpt2 => gpt2(),
        Splitter::DigitsGpt2 => {
            PreTokenizerWrapper::Sequence(Sequence::new(vec![PreTokenizerWrapper::Digits(Digits::new(true)), gpt2()]))
        }
        Splitter::Llama3 => pattern(LLAMA3),
        Splitter::Qwen2 => pattern(QWEN2),
    }
}

fn ends_by_library(library: &PreTokenizerWrapper, text: &str) -> Vec<usize> {
    let mut split = PreTokenizedString::from(text);
    library.pre_tokenize(&mut split).unwrap();
    let splits = split.get_splits(OffsetReferential::Original, OffsetType::Byte);
    splits.into_iter().map(|(_, (_, end), _)| end).collect()
}

fn ends(splitter: Splitter, text: &str) -> Vec<usize> {
    let (mut end, mut found) = (0, Vec::new());
    splitter.pieces(Classes::get().unwrap(), text, |piece| {
        end += piece.len();
        found.push(end);
    });
    found
}

fn assert_equal_pieces(text: &str) {
    for (code, splitter) in Splitter::CODES {
        assert_eq!((splitter.code(), Splitter::from_code(code)), (code, Some(splitter)));
        thread_local! {
            static LIBRARY: Vec<PreTokenizerWrapper> =
                Splitter::CODES.iter().map(|&(_, splitter)| library(splitter)).collect();
        }
        let expected = LIBRARY.with(|library| ends_by_library(&library[usize::from(code)], text));
        assert_eq!(ends(splitter, text), expected, "{splitter:?} of {text:?}");
    }
}

#[test]
fn pieces_of_difficult_texts() {
    let texts = [
        "",
        " ",
        "  ",
        " \n",
        "\n ",
        "a  b",
        "a \n\n  b",
        "a\r\n\r\n b",
        "a \u{a0}b \u{3000}c",
        "it's IT'S it'ſ we'RE 'Ve'll'LL'D'm 't' ''s 'x",
        "12345 1 234567 x1y22 ½Ⅷ²",
        "!!!\n\n  ?? \r\r!",
        "don't,stop -- (now)…\t\tgo\tgo",
        "naïve Zoë e\u{301} \u{301}\u{301} 日本語テキスト हिन्दी",
        "🙂🙂 👩‍👩‍👧 \u{200d}\u{feff}\0\0 \u{85}\u{2028}x",
    ];
    texts.into_iter().for_each(assert_equal_pieces);
}

#[test]
fn every_character_has_the_class_of_the_regular_expressions() {
    let characters: Vec<char> = (0..=0x10FFFF).filter_map(char::from_u32).collect();
    // In short texts: the library takes quadratic time.
    for some in characters.chunks(256) {
        let text: String = some.iter().flat_map(|&character| ['a', character, '1']).collect();
        assert_equal_pieces(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn pieces_of_any_text(text in "[\\PC\\s]{0,40}") {
        assert_equal_pieces(&text);
    }

    #[test]
    fn pieces_of_texts_full_of_borders(text in "[ \\t\\n\\r'sStTrReEvVmMlLdDſK019½.,!?\u{a0}\u{3000}é日\u{301}]{0,60}") {
        assert_equal_pieces(&text);
    }
}
