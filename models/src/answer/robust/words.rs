//! Answers that are words: yes or no, and numbers spelled out.

use super::scope::{Scope, words};

/// `yes` or `no` as `scope` gives it.
pub(super) fn yes_or_no(scope: &Scope<'_>) -> Option<&'static str> {
    let opens = |sentence: &str| words(sentence).next().is_some_and(|(_, word)| verdict(word).is_some());
    scope.deciding(opens, |sentence| words(sentence).find_map(|(_, word)| verdict(word)))
}

fn verdict(word: &str) -> Option<&'static str> {
    ["yes", "no"].into_iter().find(|name| word.eq_ignore_ascii_case(name))
}

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// The English word for `number`, up to twenty.
#[must_use]
pub fn spelled(number: usize) -> Option<&'static str> {
    SMALL.get(number).copied().or((number == 20).then_some(TENS[2]))
}

/// The number that `text` opens with in English words, below one thousand: `two hundred ninety-four dollars` is 294.
///
/// Only at the start, for elsewhere `one` is rather a pronoun; not before a fraction such as `one-sixth`.
pub(super) fn number(text: &str) -> Option<f64> {
    let mut value = None;
    // Seven words hold the longest number below a thousand, `nine hundred and ninety-nine`, and the word after it.
    for (_, word) in words(text).take(7) {
        let word = word.to_ascii_lowercase();
        value = match (value, place(&word)) {
            (None, Some(number)) => Some(number),
            (Some(number), _) if word == "hundred" && (1..10).contains(&number) => Some(number * 100),
            (Some(_), _) if word == "and" => value,
            (Some(number), Some(addend)) if fits(number, addend) => Some(number + addend),
            _ if is_fraction_word(&word) => return None,
            _ => break,
        };
    }
    value.map(f64::from)
}

fn place(word: &str) -> Option<u32> {
    let index = |names: &[&str]| names.iter().position(|name| *name == word).and_then(|at| u32::try_from(at).ok());
    index(&SMALL).or_else(|| index(&TENS).map(|ten| ten * 10))
}

/// Whether `addend` goes on with `number`: hundreds take anything below them, tens a single digit.
fn fits(number: u32, addend: u32) -> bool {
    (number >= 100 && number.is_multiple_of(100) && addend > 0)
        || (number % 100 >= 20 && number.is_multiple_of(10) && (1..10).contains(&addend))
}

/// Whether `word` makes a fraction, or a number of a thousand and more, of the number before it.
fn is_fraction_word(word: &str) -> bool {
    const STEMS: [&str; 13] = [
        "half", "halves", "third", "quarter", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
        "thousand", "million",
    ];
    STEMS.iter().any(|stem| word.starts_with(stem))
}
