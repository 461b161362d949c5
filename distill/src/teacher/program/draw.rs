//! Random choices that are a function of their key, so that question 7 is the same in every run.

use crate::keyed::mix;

/// A stream of random choices.
#[derive(Debug)]
pub(super) struct Draw {
    key: u64,
    drawn: u64,
}

impl Draw {
    /// The stream that belongs to `key`.
    pub(super) fn new(key: &[u64]) -> Self {
        Self { key: mix(key), drawn: 0 }
    }

    fn next(&mut self) -> u64 {
        self.drawn += 1;
        mix(&[self.key, self.drawn])
    }

    /// A number in `0..count`; `count` is at least 1.
    pub(super) fn below(&mut self, count: usize) -> usize {
        // The high half of a product maps 64 random bits onto a small range with a bias below 2^-50.
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// A number in `0.0..1.0`.
    pub(super) fn share(&mut self) -> f64 {
        const BITS: i32 = 53;
        (self.next() >> (64 - BITS)) as f64 / 2_f64.powi(BITS)
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// One of `items`, which are at least one.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// `N` different ones of `items`, which are at least as many, in random order.
    pub(super) fn sample<T: Copy, const N: usize>(&mut self, items: &[T]) -> [T; N] {
        let mut left = items.to_vec();
        std::array::from_fn(|_| {
            let position = self.below(left.len());
            left.swap_remove(position)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_depend_on_the_key_alone_and_reach_every_item() {
        let numbers = |key: &[u64]| {
            let mut draw = Draw::new(key);
            (0..400).map(|_| draw.below(6)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&[1, 2]), numbers(&[1, 2]));
        assert_ne!(numbers(&[1, 2]), numbers(&[1, 3]));
        for item in 0..6 {
            // 400 fair throws give each face 67 times; fewer than 30 has a probability below 1e-6.
            assert!(numbers(&[5]).iter().filter(|number| **number == item).count() >= 30);
        }
    }

    #[test]
    fn a_sample_repeats_nothing() {
        let mut draw = Draw::new(&[9]);
        for _ in 0..50 {
            let mut sample: [u8; 3] = draw.sample(&[1, 2, 3]);
            sample.sort_unstable();
            assert_eq!(sample, [1, 2, 3]);
            assert!((2..=4).contains(&draw.between(2, 4)) && (0.0..1.0).contains(&draw.share()));
        }
    }
}
