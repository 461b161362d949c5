//! Loops: a small student that has lost the thread says the same thing for ever.

use std::collections::{HashMap, VecDeque};

use crate::sampler::TokenId;

/// Longest period that is looked for.
const LONGEST_PERIOD: usize = 64;
/// A loop is this many whole periods...
const PERIODS: usize = 4;
/// ... and at least this many tokens.
const LOOP_TOKENS: usize = 64;
/// Tokens over which repeated groups are counted.
const WINDOW: usize = 256;
/// Length of a group.
const GROUP: usize = 4;

/// Detects that the last tokens repeat themselves, in constant memory and constant time per token.
///
/// Two rules: the last tokens have a period of at most 64, at least 4 times and over at least 64 tokens; or more than half
/// of the groups of 4 tokens among the last 256 tokens are repeats of another group there.
#[derive(Clone, Debug)]
pub(crate) struct RepetitionDetector {
    recent: VecDeque<TokenId>,
    /// Per period, how many tokens in a row equal the one a period before.
    matches: [usize; LONGEST_PERIOD],
    groups: HashMap<[TokenId; GROUP], usize>,
}

impl RepetitionDetector {
    pub(crate) fn new() -> Self {
        Self { recent: VecDeque::with_capacity(WINDOW + 1), matches: [0; LONGEST_PERIOD], groups: HashMap::new() }
    }

    /// Takes the next token; returns whether the tokens repeat themselves.
    pub(crate) fn push(&mut self, token: TokenId) -> bool {
        let length = self.recent.len();
        for (period, matches) in (1..).zip(&mut self.matches) {
            let equal = period <= length && self.recent[length - period] == token;
            *matches = if equal { *matches + 1 } else { 0 };
        }
        self.recent.push_back(token);
        self.count_groups();
        self.is_periodic() || self.repeats_groups()
    }

    fn is_periodic(&self) -> bool {
        (1..).zip(&self.matches).any(|(period, &matches)| {
            // The first period matches nothing before it.
            let tokens = matches + period;
            matches > 0 && tokens >= LOOP_TOKENS.max(PERIODS * period)
        })
    }

    fn count_groups(&mut self) {
        let length = self.recent.len();
        if length >= GROUP {
            *self.groups.entry(self.group(length - GROUP)).or_default() += 1;
        }
        if length > WINDOW {
            let oldest = self.group(0);
            self.recent.pop_front();
            if let Some(count) = self.groups.get_mut(&oldest) {
                *count -= 1;
                if *count == 0 {
                    self.groups.remove(&oldest);
                }
            }
        }
    }

    fn repeats_groups(&self) -> bool {
        let groups = WINDOW - GROUP + 1;
        self.recent.len() == WINDOW && 2 * self.groups.len() < groups
    }

    fn group(&self, start: usize) -> [TokenId; GROUP] {
        std::array::from_fn(|offset| self.recent[start + offset])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stops_after(tokens: impl IntoIterator<Item = TokenId>) -> Option<usize> {
        let mut detector = RepetitionDetector::new();
        tokens.into_iter().position(|token| detector.push(token)).map(|index| index + 1)
    }

    #[test]
    fn every_period_up_to_64_is_found_as_soon_as_the_rule_allows() {
        for period in 1..=64u32 {
            let prefix = 1000..1010;
            let looping = (0..2000).map(|index| index % period);
            // The rule of repeated groups can only come first where four long periods fill the window.
            let expected = (10 + (4 * period as usize).max(64)).min(WINDOW);
            assert_eq!(stops_after(prefix.chain(looping)), Some(expected), "period {period}");
        }
    }

    #[test]
    fn three_periods_and_short_runs_are_no_loop() {
        assert_eq!(stops_after((0..3 * 40).map(|index| index % 40)), None);
        assert_eq!(stops_after(std::iter::repeat_n(7, 63)), None);
    }

    #[test]
    fn repeated_groups_without_a_period_are_found() {
        // The same six tokens over and over, each time followed by a new one: no period, mostly repeated groups.
        let tokens = (0..400u32).map(|index| if index % 7 == 6 { 1000 + index } else { index % 7 });
        assert_eq!(stops_after(tokens), None, "four of seven groups are new");
        let tokens = (0..400u32).map(|index| if index % 13 == 12 { 1000 + index } else { index % 13 });
        assert_eq!(stops_after(tokens), Some(256));
    }

    #[test]
    fn memory_is_constant() {
        let mut detector = RepetitionDetector::new();
        for token in 0..10_000 {
            detector.push(token);
        }
        assert_eq!((detector.recent.len(), detector.groups.len()), (256, 253));
    }

    proptest! {
        #[test]
        fn distinct_tokens_never_stop(start in 0u32..1000, length in 0u32..600) {
            prop_assert_eq!(stops_after(start..start + length), None);
        }
    }
}
