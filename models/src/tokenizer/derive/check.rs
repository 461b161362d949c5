//! The comparison of tables with the library that they are made of.

use super::super::library::LibraryTokenizer;
use super::super::mapped::MappedTokenizer;
use super::NotDerived;

/// Texts that tokenizers are known to differ on: borders of words, blanks, digits, contractions, composition, cut characters.
const DIFFICULT: [&str; 14] = [
    "",
    " ",
    "Q: There are 15 trees.  How many\n\n are left?\nA: Let's think step by step. 21 - 15 = 6.",
    "it's IT'S we'RE I'Ve they'll'LL he'D 't ''s 'x it'ſ \u{212a}'s",
    "0 12 345 6789 3.14159 1,000,000 x1y22 ½Ⅷ² ١٢٣",
    "a  b   c    d\t\te \t f\u{a0}g\u{3000}h \u{85}\u{2028}",
    " \n\n  \r\n\r\n x\n y \n",
    "trailing blanks   ",
    "!!! ... -- (now)… ?!\n\n,\"quoted\" 'single' $5 & 50% #1 @me https://example.org/a_b?c=d&e=%20",
    "naïve Zoë e\u{301}\u{323} \u{1e69} \u{212b} \u{fb01} q\u{307}\u{323} \u{0344} \u{ac00}\u{11a8} \u{1100}\u{1161}",
    "日本語のテキスト。中文，한국어 हिन्दी עברית العربية ภาษาไทย",
    "🙂🙂 👩‍👩‍👧‍👦 🏳️‍🌈 \u{200d}\u{feff}\0\u{1}\u{7f}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "fn main() {\n    println!(\"{}\", x[i] += 1);\n\t// why\n}\n",
];

/// Tokens in one text.
const TOKENS_AT_ONCE: usize = 64;

/// Compares ids and decoded text on the difficult texts, all tokens, and `samples`.
pub(super) fn compare(
    library: &LibraryTokenizer,
    mapped: &MappedTokenizer,
    samples: &[String],
) -> Result<(), NotDerived> {
    let added = library.inner().get_added_tokens_decoder();
    let between = added.values().flat_map(|token| {
        let content = &token.content;
        [format!("a{content}b {content} {content}{content}\n"), format!("<{content}  \t1")]
    });
    let between: Vec<String> = between.collect();
    let last = library.inner().get_vocab(true).into_values().max().map_or(0, |id| id + 1);
    let ids: Vec<u32> = (0..=last).collect();
    for some in ids.chunks(TOKENS_AT_ONCE) {
        compare_decoded(library, mapped, some)?;
        compare_text(library, mapped, &mapped.decode(some))?;
    }
    let texts =
        DIFFICULT.into_iter().chain(between.iter().map(String::as_str)).chain(samples.iter().map(String::as_str));
    texts.into_iter().try_for_each(|text| compare_text(library, mapped, text))
}

fn compare_text(library: &LibraryTokenizer, mapped: &MappedTokenizer, text: &str) -> Result<(), NotDerived> {
    let (expected, found) = (library.encode(text)?, mapped.encode(text)?);
    if found != expected {
        return Err(NotDerived::Differs { text: text.to_owned(), expected, found });
    }
    compare_decoded(library, mapped, &found)
}

/// That both decode `ids` to one text.
fn compare_decoded(library: &LibraryTokenizer, mapped: &MappedTokenizer, ids: &[u32]) -> Result<(), NotDerived> {
    let text = library.decode(ids)?;
    if mapped.decode(ids) == text {
        return Ok(());
    }
    Err(NotDerived::Differs { found: mapped.encode(&mapped.decode(ids))?, expected: ids.to_vec(), text })
}
