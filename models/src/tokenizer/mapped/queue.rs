//! The order of merges: by rank, then from left to right.
//!
//! A binary heap of all pairs would do, but a run of a million equal letters has a million pairs of one rank, and walking through
//! a heap of them misses the cache at every step. Pairs of one rank arrive nearly in order, so that each rank has a list.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Positions of pairs that wait to be merged, by rank.
#[derive(Default)]
pub(super) struct MergeQueue {
    /// The rank whose positions are being taken; it is not among those that wait.
    current: Option<(u32, Positions)>,
    waiting: BTreeMap<u32, Positions>,
}

/// Positions of pairs of one rank.
#[derive(Default)]
struct Positions {
    ascending: Vec<u32>,
    /// How many of those are taken.
    taken: usize,
    /// Positions that came after a later one.
    late: BinaryHeap<Reverse<u32>>,
}

impl MergeQueue {
    pub(super) fn clear(&mut self) {
        self.current = None;
        self.waiting.clear();
    }

    pub(super) fn push(&mut self, rank: u32, position: u32) {
        match &mut self.current {
            Some((current, positions)) if *current == rank => positions.push(position),
            _ => self.waiting.entry(rank).or_default().push(position),
        }
    }

    /// The lowest rank, and the leftmost position that has it.
    pub(super) fn pop(&mut self) -> Option<(u32, u32)> {
        loop {
            let first = self.waiting.first_key_value().map(|(&rank, _)| rank);
            match self.current.as_mut() {
                // A merge may make room for one of a lower rank.
                Some((rank, _)) if first.is_some_and(|first| first < *rank) => {
                    self.waiting.extend(self.current.take());
                }
                Some((rank, positions)) => match positions.pop() {
                    Some(position) => return Some((*rank, position)),
                    None => self.current = None,
                },
                None => self.current = Some(self.waiting.pop_first()?),
            }
        }
    }
}

impl Positions {
    fn push(&mut self, position: u32) {
        match self.ascending.last() {
            Some(&last) if last >= position => self.late.push(Reverse(position)),
            _ => self.ascending.push(position),
        }
    }

    fn pop(&mut self) -> Option<u32> {
        let next = self.ascending.get(self.taken).copied();
        let late = self.late.peek().map(|&Reverse(position)| position);
        match (next, late) {
            (Some(next), late) if late.is_none_or(|late| next <= late) => {
                self.taken += 1;
                Some(next)
            }
            _ => self.late.pop().map(|Reverse(position)| position),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Pushes and pops in any order give what a heap gives.
        #[test]
        fn order_is_that_of_a_heap(steps in proptest::collection::vec(proptest::option::of((0u32..6, 0u32..40)), 0..200)) {
            let (mut queue, mut heap) = (MergeQueue::default(), BinaryHeap::new());
            for step in steps {
                if let Some((rank, position)) = step {
                    queue.push(rank, position);
                    heap.push(Reverse((rank, position)));
                } else {
                    prop_assert_eq!(queue.pop(), heap.pop().map(|Reverse(pair)| pair));
                }
            }
            while let Some(Reverse(pair)) = heap.pop() {
                prop_assert_eq!(queue.pop(), Some(pair));
            }
            prop_assert_eq!(queue.pop(), None);
        }
    }
}
