//! Words as numbers: what duplicates, quotations and loops are compared by.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Hashes of the words of a text: runs of letters and digits, without regard to case; everything else parts words.
///
/// A collision in 64 bits is not a worry, and the hash is the same in every run.
pub(super) fn hash_into(text: &str, words: &mut Vec<u64>) {
    words.clear();
    let mut rest = text;
    while !rest.is_empty() {
        let ascii = rest.as_bytes().iter().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        // A word with letters beyond ASCII goes the slow way as a whole, so the fast way ends before it.
        let safe = if ascii == rest.len() { ascii } else { last_border(&rest.as_bytes()[..ascii]) };
        hash_ascii(&rest.as_bytes()[..safe], words);
        rest = &rest[safe..];
        rest = &rest[hash_other(rest, words)..];
    }
}

/// Bytes up to where the last word, which may go on, begins.
fn last_border(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| !byte.is_ascii_alphanumeric()).map_or(0, |at| at + 1)
}

const START: u64 = 0xcbf2_9ce4_8422_2325;

fn hash_ascii(bytes: &[u8], words: &mut Vec<u64>) {
    let mut hash = START;
    for byte in bytes {
        if byte.is_ascii_alphanumeric() {
            hash = mixed(hash, u64::from(byte | 0x20));
        } else if hash != START {
            words.push(finished(hash));
            hash = START;
        }
    }
    if hash != START {
        words.push(finished(hash));
    }
}

/// Hashes up to the first white space or ASCII punctuation after the first character beyond ASCII; how many bytes that is.
fn hash_other(text: &str, words: &mut Vec<u64>) -> usize {
    let mut hash = START;
    let mut met = false;
    let mut end = text.len();
    for (at, character) in text.char_indices() {
        met |= !character.is_ascii();
        if character.is_alphanumeric() {
            for lower in character.to_lowercase() {
                // Digits and small letters keep their code, so that an ASCII word has the same hash either way.
                let code = if lower.is_ascii() { u64::from(u32::from(lower) | 0x20) } else { u64::from(lower) };
                hash = mixed(hash, code);
            }
            continue;
        }
        if hash != START {
            words.push(finished(hash));
            hash = START;
        }
        if met && character.is_ascii() {
            end = at;
            break;
        }
    }
    if hash != START {
        words.push(finished(hash));
    }
    end
}

/// FNV-1a, a character at a time.
fn mixed(hash: u64, code: u64) -> u64 {
    (hash ^ code).wrapping_mul(0x0100_0000_01b3)
}

/// Spreads the hash over all bits, because sums of hashes are compared.
pub(super) fn finished(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let hash = (hash ^ (hash >> 29)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

/// Hashes of every group of `size` words in a row; none where there are fewer words.
pub(super) fn groups(words: &[u64], size: usize) -> impl Iterator<Item = u64> + '_ {
    let top = BASE.wrapping_pow(size.saturating_sub(1) as u32);
    let mut sum: u64 = 0;
    words.iter().enumerate().filter_map(move |(at, word)| {
        if at >= size {
            sum = sum.wrapping_sub(words[at - size].wrapping_mul(top));
        }
        sum = sum.wrapping_mul(BASE).wrapping_add(*word);
        (at + 1 >= size).then_some(sum)
    })
}

/// A set of groups.
pub(super) type GroupSet = HashSet<u64, BuildHasherDefault<Spread>>;
/// A map by group.
pub(super) type GroupMap<Value> = HashMap<u64, Value, BuildHasherDefault<Spread>>;

/// Takes hashes of groups as they are, but for one multiplication: the sums of [`groups`] are spread over all bits already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| mixed(hash, u64::from(*byte)));
    }

    fn write_u64(&mut self, group: u64) {
        self.0 = (group ^ (group >> 32)).wrapping_mul(BASE);
    }
}

/// An odd factor without structure; see [`groups`].
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hashed(text: &str) -> Vec<u64> {
        let mut words = Vec::new();
        hash_into(text, &mut words);
        words
    }

    #[test]
    fn case_punctuation_and_space_do_not_matter() {
        assert_eq!(hashed("So, 3 Apples!"), hashed(" so 3\n(apples)"));
        assert_eq!(hashed("É-Übung x"), hashed("é übung X"));
        assert_eq!(hashed("naïve plan is a naïve plan")[..2], hashed("naïve plan is a naïve plan")[4..]);
        assert_eq!(hashed("plan é plan")[0], hashed("plan é plan")[2]);
        assert_ne!(hashed("ab c"), hashed("a bc"));
        assert_eq!(hashed("…—!"), [0u64; 0]);
    }

    proptest! {
        #[test]
        fn words_are_runs_of_letters_and_digits(text in ".{0,60}") {
            let expected = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).count();
            prop_assert_eq!(hashed(&text).len(), expected);
        }

        #[test]
        fn equal_groups_have_equal_hashes(text in "[a-c ]{0,40}", size in 1usize..5) {
            let words = hashed(&text);
            let found: Vec<u64> = groups(&words, size).collect();
            let windows: Vec<&[u64]> = words.windows(size).collect();
            prop_assert_eq!(found.len(), windows.len());
            for (one, first) in windows.iter().enumerate() {
                for (other, second) in windows.iter().enumerate() {
                    prop_assert_eq!(found[one] == found[other], first == second);
                }
            }
        }
    }
}
