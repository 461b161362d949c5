//! Loops: texts that say the same thing over and over.
//!
//! The two rules of the runtime's detector, over words and at a teacher's lengths: teachers are cut after some hundred
//! tokens, where a loop has seldom lasted for as long as the runtime waits.

use super::words;

/// Longest period that is looked for, in words.
const LONGEST_PERIOD: usize = 64;
/// A loop at the end is this many whole periods...
const PERIODS: usize = 4;
/// ... and at least this many words.
const LOOP_WORDS: usize = 16;
/// Words of a group.
const GROUP: usize = 4;
/// Fewer groups than this say nothing.
const LEAST_GROUPS: usize = 32;

/// What shows that the text of these words repeats itself, if anything does.
pub(super) fn sign(text: &[u64], seen: &mut words::GroupSet) -> Option<String> {
    if let Some(period) = ending_period(text) {
        return Some(format!("it ends in {period} words over and over"));
    }
    let groups = (text.len() + 1).saturating_sub(GROUP);
    if groups < LEAST_GROUPS {
        return None;
    }
    seen.clear();
    seen.extend(words::groups(text, GROUP));
    let repeats = groups - seen.len();
    (2 * repeats > groups).then(|| format!("{repeats} of {groups} groups of {GROUP} words were there before"))
}

/// The period in which the text ends, in words.
fn ending_period(text: &[u64]) -> Option<usize> {
    (1..=LONGEST_PERIOD.min(text.len() / PERIODS)).find(|&period| {
        let tail = LOOP_WORDS.max(PERIODS * period);
        tail <= text.len() && text[text.len() - tail..].windows(period + 1).all(|pair| pair[0] == pair[period])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(text: &str) -> bool {
        let mut hashed = Vec::new();
        words::hash_into(text, &mut hashed);
        sign(&hashed, &mut words::GroupSet::default()).is_some()
    }

    #[test]
    fn loops_are_told_from_ordinary_texts() {
        let story = "Joan found 70 seashells. She gave some to Sam. She has 27 left. 70 - 27 = 43. So she gave 43.";
        assert!(!repeats(story));
        assert!(!repeats(&format!("{story} {story}")), "twice is no loop");
        assert!(repeats(&format!("{story} {story} {story}")), "most groups were there before");
        assert!(repeats(&format!("{story}{}", " So she gave 43.".repeat(3))), "four times in all");
        assert!(!repeats(&format!("{story}{}", " So she gave 43.".repeat(2))));
        assert!(repeats(&format!("{story}{}", " the".repeat(16))));
        assert!(!repeats(&format!("{story}{}", " the".repeat(15))));
        assert!(!repeats(""));
        let fresh: Vec<String> = (0..500).map(|word| format!("word{word}")).collect();
        assert!(!repeats(&fresh.join(" ")));
    }
}
