//! Completions of one question that say the same.
//!
//! Only completions that were kept are compared with: the first one in the order of the run stays, and what another
//! criterion rejected takes nothing with it.

use std::collections::HashMap;

use super::words;

/// Words of a group; sets of groups are compared.
const GROUP: usize = 3;

/// The kept completions of the question under way.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Index by text without outer white space.
    texts: HashMap<String, u32>,
    /// Index and sorted groups.
    sets: Vec<(u32, Vec<u64>)>,
    /// Positions in `sets` by group, for the groups by which a similar set must be met; see [`prefix`].
    met_by: words::GroupMap<Vec<usize>>,
}

impl Kept {
    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.sets.clear();
        self.met_by.clear();
    }

    /// Index of the kept completion with the same text.
    pub(super) fn same(&self, text: &str) -> Option<u32> {
        self.texts.get(text.trim()).copied()
    }

    pub(super) fn keep_text(&mut self, index: u32, text: &str) {
        self.texts.insert(text.trim().to_owned(), index);
    }

    /// Index of the first kept completion that is at least so similar, and the similarity.
    pub(super) fn similar(&self, set: &[u64], jaccard: f64) -> Option<(u32, f64)> {
        let mut candidates: Vec<usize> = set[..prefix(set.len(), jaccard)]
            .iter()
            .filter_map(|group| self.met_by.get(group))
            .flatten()
            .copied()
            .collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates.into_iter().find_map(|at| {
            let (index, other) = &self.sets[at];
            let similarity = similarity(set, other, jaccard)?;
            Some((*index, similarity))
        })
    }

    pub(super) fn keep_set(&mut self, index: u32, set: Vec<u64>, jaccard: f64) {
        for group in &set[..prefix(set.len(), jaccard)] {
            self.met_by.entry(*group).or_default().push(self.sets.len());
        }
        self.sets.push((index, set));
    }
}

/// The set of groups of a text, sorted; a text that is shorter than a group is one group.
pub(super) fn groups(text: &[u64]) -> Vec<u64> {
    let mut set: Vec<u64> = words::groups(text, GROUP.min(text.len()).max(1)).collect();
    set.sort_unstable();
    set.dedup();
    set
}

/// How many of the smallest elements two sets must share one of, if they are to be so similar.
///
/// At least `jaccard` of a set's elements are in a similar one. So all but fewer than that many elements of either, in the same
/// order, hold a shared one (Chaudhuri et al., "A primitive operator for similarity joins in data cleaning", 2006).
fn prefix(length: usize, jaccard: f64) -> usize {
    let shared = (jaccard * length as f64 - 1e-9).ceil().max(1.0) as usize;
    (length + 1).saturating_sub(shared).min(length)
}

/// The Jaccard similarity, if it is at least `least`.
fn similarity(one: &[u64], other: &[u64], least: f64) -> Option<f64> {
    let (short, long) = (one.len().min(other.len()), one.len().max(other.len()));
    if (short as f64) < least * long as f64 - 1e-9 {
        return None;
    }
    let (mut first, mut second, mut shared) = (0, 0, 0);
    while first < one.len() && second < other.len() {
        let (left, right) = (one[first], other[second]);
        shared += usize::from(left == right);
        first += usize::from(left <= right);
        second += usize::from(right <= left);
    }
    let all = one.len() + other.len() - shared;
    let similarity = if all == 0 { 1.0 } else { shared as f64 / all as f64 };
    (similarity >= least - 1e-9).then_some(similarity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(text: &str) -> Vec<u64> {
        let mut hashed = Vec::new();
        words::hash_into(text, &mut hashed);
        groups(&hashed)
    }

    #[test]
    fn the_first_similar_one_is_named() {
        let mut kept = Kept::default();
        kept.keep_set(0, set("one two three four five six"), 0.6);
        kept.keep_set(2, set("one two three four five seven"), 0.6);
        assert_eq!(kept.similar(&set("One, two, three, four, five!"), 0.6), Some((0, 0.75)));
        assert_eq!(kept.similar(&set("two three four five seven"), 0.6), Some((2, 0.75)));
        assert_eq!(kept.similar(&set("nothing of all that"), 0.6), None);
        kept.keep_text(4, " a text\n");
        assert_eq!((kept.same("a text"), kept.same("A text")), (Some(4), None));
        kept.clear();
        assert_eq!((kept.same("a text"), kept.similar(&set("one two three four five six"), 0.6)), (None, None));
    }

    proptest! {
        #[test]
        fn the_short_cut_misses_nothing(
            texts in proptest::collection::vec("[a-d]( [a-d]){0,9}", 1..12), jaccard in 0.05f64..1.0
        ) {
            let mut kept = Kept::default();
            for (index, text) in (0..).zip(&texts) {
                let own = set(text);
                let plain = kept.sets.iter().find_map(|(other, kept)| Some((*other, similarity(&own, kept, jaccard)?)));
                prop_assert_eq!(kept.similar(&own, jaccard), plain);
                kept.keep_set(index, own, jaccard);
            }
        }
    }
}
