//! Loops: a small student that has lost the thread says the same thing for ever.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::sampler::TokenId;

/// Longest period that is looked for, in tokens.
const LONGEST_PERIOD: usize = 64;
/// A loop is this many whole periods...
const PERIODS: usize = 4;
/// ... and at least this many tokens.
const LOOP_TOKENS: usize = 64;
/// Words over which repeated groups are counted.
const WINDOW: usize = 256;
/// Words of a group.
const GROUP: usize = 4;

/// Detects that a completion repeats itself, in constant memory and constant time per token.
///
/// Two rules: the last tokens have a period of at most 64, at least 4 times and over at least 64 tokens; or more than half
/// of the groups of 4 words among the last 256 words are repeats of another group there. Groups are of words, not tokens,
/// because a tokenizer that cuts words into letters would make every ordinary text look repetitive.
#[derive(Clone, Debug, Default)]
pub(crate) struct RepetitionDetector {
    periods: Periods,
    groups: Groups,
    /// Bytes of the completion whose words were counted.
    read: usize,
}

impl RepetitionDetector {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes the next token and the whole completion with it; returns whether the completion repeats itself.
    pub(crate) fn push(&mut self, token: TokenId, completion: &str) -> bool {
        let mut repeats = self.periods.push(token);
        // The last word may still grow, so only words with white space behind them count.
        while let Some(end) = completion[self.read..].find(char::is_whitespace) {
            let word = &completion[self.read..self.read + end];
            if !word.is_empty() {
                repeats |= self.groups.push(word);
            }
            self.read += end + completion[self.read + end..].chars().next().map_or(1, char::len_utf8);
        }
        repeats
    }
}

/// The rule of periods.
#[derive(Clone, Debug)]
struct Periods {
    recent: VecDeque<TokenId>,
    /// Per period, how many tokens in a row equal the one a period before.
    matches: [usize; LONGEST_PERIOD],
}

impl Default for Periods {
    fn default() -> Self {
        Self { recent: VecDeque::with_capacity(LONGEST_PERIOD + 1), matches: [0; LONGEST_PERIOD] }
    }
}

impl Periods {
    fn push(&mut self, token: TokenId) -> bool {
        let length = self.recent.len();
        for (period, matches) in (1..).zip(&mut self.matches) {
            let equal = period <= length && self.recent[length - period] == token;
            *matches = if equal { *matches + 1 } else { 0 };
        }
        self.recent.push_back(token);
        if self.recent.len() > LONGEST_PERIOD {
            self.recent.pop_front();
        }
        (1..).zip(&self.matches).any(|(period, &matches)| {
            // The first period matches nothing before it.
            matches > 0 && matches + period >= LOOP_TOKENS.max(PERIODS * period)
        })
    }
}

/// The rule of repeated groups.
#[derive(Clone, Debug, Default)]
struct Groups {
    /// Hashes of the last words: a collision in 64 bits is not a worry.
    recent: VecDeque<u64>,
    counts: HashMap<[u64; GROUP], usize>,
}

impl Groups {
    fn push(&mut self, word: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        word.hash(&mut hasher);
        self.recent.push_back(hasher.finish());
        let length = self.recent.len();
        if length >= GROUP {
            *self.counts.entry(self.group(length - GROUP)).or_default() += 1;
        }
        if length > WINDOW {
            self.forget_oldest();
        }
        self.recent.len() == WINDOW && 2 * self.counts.len() < WINDOW - GROUP + 1
    }

    fn forget_oldest(&mut self) {
        let oldest = self.group(0);
        self.recent.pop_front();
        if let Some(count) = self.counts.get_mut(&oldest) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&oldest);
            }
        }
    }

    fn group(&self, start: usize) -> [u64; GROUP] {
        std::array::from_fn(|offset| self.recent[start + offset])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stops_after(tokens: impl IntoIterator<Item = TokenId>) -> Option<usize> {
        let mut detector = RepetitionDetector::new();
        tokens.into_iter().position(|token| detector.push(token, "")).map(|index| index + 1)
    }

    /// Words until the rule of groups stops a text whose tokens never repeat.
    fn stops_after_words(words: impl IntoIterator<Item = String>) -> Option<usize> {
        let mut detector = RepetitionDetector::new();
        let mut text = String::new();
        (0..).zip(words).find_map(|(index, word)| {
            text.push_str(&word);
            text.push('\n');
            detector.push(index, &text).then_some(index as usize + 1)
        })
    }

    #[test]
    fn every_period_up_to_64_is_found_as_soon_as_the_rule_allows() {
        for period in 1..=64u32 {
            let prefix = 1000..1010;
            let looping = (0..2000).map(|index| index % period);
            let expected = 10 + (4 * period as usize).max(64);
            assert_eq!(stops_after(prefix.chain(looping)), Some(expected), "period {period}");
        }
    }

    #[test]
    fn three_periods_short_runs_and_longer_periods_are_no_loop() {
        assert_eq!(stops_after((0..3 * 40).map(|index| index % 40)), None);
        assert_eq!(stops_after(std::iter::repeat_n(7, 63)), None);
        assert_eq!(stops_after((0..2000).map(|index| index % 65)), None);
    }

    #[test]
    fn repeated_groups_without_a_period_are_found() {
        // The same words over and over, each time followed by a new one.
        let words = |fresh_every: usize| {
            (0..400).map(move |index| {
                if index % fresh_every == 0 { format!("new{index}") } else { format!("word{}", index % fresh_every) }
            })
        };
        assert_eq!(stops_after_words(words(7)), None, "four of seven groups are new");
        assert_eq!(stops_after_words(words(13)), Some(256));
    }

    #[test]
    fn memory_is_constant() {
        let mut detector = RepetitionDetector::new();
        let mut text = String::new();
        for token in 0..3_000 {
            text.extend([token.to_string().as_str(), " "]);
            detector.push(token, &text);
        }
        assert_eq!((detector.periods.recent.len(), detector.groups.recent.len()), (64, 256));
        assert_eq!(detector.groups.counts.len(), 253);
    }

    #[test]
    fn teachers_are_hardly_ever_stopped() {
        let data = std::env::var_os("PUPIL_DATA").map_or_else(
            || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
            std::path::PathBuf::from,
        );
        let Ok(files) = std::fs::read_dir(data.join("teacher")) else {
            eprintln!("skipped: no teacher completions in `{}`", data.display());
            return;
        };
        let (mut completions, mut stopped) = (0, 0);
        for file in files {
            let rows = std::fs::read_to_string(file.unwrap().path()).unwrap();
            // Every tenth is enough for a rate and keeps the test short.
            for row in rows.lines().step_by(10) {
                let row: serde_json::Value = serde_json::from_str(row).unwrap();
                let Some(text) = row["rationale"].as_str() else { continue };
                completions += 1;
                let mut detector = RepetitionDetector::new();
                // Letters as tokens are the hardest case.
                let ends = text.char_indices().map(|(index, letter)| (letter, index + letter.len_utf8()));
                stopped +=
                    usize::from(ends.into_iter().any(|(letter, end)| detector.push(letter as u32, &text[..end])));
            }
        }
        assert!(completions > 1000, "found {completions}");
        assert!(stopped * 200 <= completions, "{stopped} of {completions} stopped");
    }

    proptest! {
        #[test]
        fn distinct_tokens_never_stop(start in 0u32..1000, length in 0u32..600) {
            prop_assert_eq!(stops_after(start..start + length), None);
        }
    }
}
