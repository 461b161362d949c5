//! The permutations of `numpy.random.RandomState`, which the published splits, subsets and filter ablations were drawn with.
//!
//! The generator is MT19937 (Matsumoto and Nishimura 1998), seeded as numpy seeds it from a whole number; a permutation is
//! numpy's legacy shuffle of `arange(n)`: from the last place down, an index drawn by masked rejection.

/// Words of the generator's state.
const WORDS: usize = 624;
/// Distance of the word that is mixed in when the state is renewed.
const MIDDLE: usize = 397;

/// `numpy.random.RandomState(seed).permutation(count)`.
///
/// ```
/// assert_eq!(pupil_distill::numpy::permutation(0, 10), [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]);
/// ```
#[must_use]
pub fn permutation(seed: u32, count: usize) -> Vec<usize> {
    let mut generator = MersenneTwister::new(seed);
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, generator.at_most(last));
    }
    order
}

/// The first `take` of a permutation of `items`, drawn with `seed`, in ascending order: how the published code draws subsets.
///
/// The published few-shot subsets are these of the sorted training indices with seed 0; fewer items are all taken.
#[must_use]
pub fn subset<T: Clone + Ord>(items: &[T], seed: u32, take: usize) -> Vec<T> {
    let order = permutation(seed, items.len());
    let mut chosen: Vec<T> = order.into_iter().take(take).map(|index| items[index].clone()).collect();
    chosen.sort_unstable();
    chosen
}

struct MersenneTwister {
    state: [u32; WORDS],
    next: usize,
}

impl MersenneTwister {
    fn new(seed: u32) -> Self {
        let mut state = [0; WORDS];
        let mut word = seed;
        for (place, number) in state.iter_mut().zip(1u32..) {
            *place = word;
            word = (word ^ (word >> 30)).wrapping_mul(1_812_433_253).wrapping_add(number);
        }
        Self { state, next: WORDS }
    }

    /// A whole number from 0 to `most`; numpy draws 64 bits only for ranges beyond 32.
    fn at_most(&mut self, most: usize) -> usize {
        let mask = usize::MAX >> most.leading_zeros();
        loop {
            let mut value = self.word() as usize;
            if most > u32::MAX as usize {
                value = value << 32 | self.word() as usize;
            }
            if value & mask <= most {
                return value & mask;
            }
        }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.renew();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9D2C_5680;
        word ^= word << 15 & 0xEFC6_0000;
        word ^ word >> 18
    }

    fn renew(&mut self) {
        for place in 0..WORDS {
            let joined = self.state[place] & 0x8000_0000 | self.state[(place + 1) % WORDS] & 0x7FFF_FFFF;
            let twist = if joined & 1 == 1 { 0x9908_B0DF } else { 0 };
            self.state[place] = self.state[(place + MIDDLE) % WORDS] ^ joined >> 1 ^ twist;
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tests::shared_data;

    /// Printed by numpy 2.4.6.
    #[test]
    fn permutations_are_numpys() {
        assert_eq!(permutation(0, 0), [] as [usize; 0]);
        assert_eq!(permutation(0, 1), [0]);
        assert_eq!(permutation(1, 7), [6, 2, 1, 0, 4, 3, 5]);
        let expected = [0, 17, 15, 1, 8, 5, 11, 3, 18, 16, 13, 2, 9, 19, 4, 12, 7, 10, 14, 6];
        assert_eq!(permutation(42, 20), expected);
        assert_eq!(permutation(u32::MAX, 12), [11, 8, 5, 9, 1, 10, 6, 0, 4, 7, 2, 3]);
        let many = permutation(0, 100_000);
        assert_eq!(many[..8], [3582, 60498, 53227, 21333, 3885, 51521, 84261, 10685]);
        assert_eq!(many[99_996..], [45891, 42613, 43567, 68268]);
    }

    /// The ids that a published split lists under `train` and `test`.
    fn split(task: &str) -> Option<[Vec<usize>; 2]> {
        let path = shared_data()?.join(format!("splits/{task}__default.json"));
        let split: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Some(["train", "test"].map(|name| serde_json::from_value(split[name].clone()).unwrap()))
    }

    #[test]
    fn the_published_splits_are_permutations_with_seed_0() {
        // The nine tasks without an official split.
        let tasks = [
            "single_eq",
            "addsub",
            "multiarith",
            "svamp",
            "date_understanding",
            "tracking_shuffled_objects",
            "last_letter_concatenation",
            "coin_flip",
            "strategy_qa",
        ];
        for task in tasks {
            let Some([train, test]) = split(task) else { return };
            let all: Vec<usize> = (0..train.len() + test.len()).collect();
            // Python rounds halves to even, which decides addsub.
            let share = (all.len() as f64 * 0.7).round_ties_even() as usize;
            assert_eq!(subset(&all, 0, share), train, "{task}");
        }
    }

    #[test]
    fn the_published_subset_of_eight_training_questions_is_found() {
        let Some([mut train, _]) = split("multiarith") else { return };
        train.reverse();
        train.sort_unstable();
        assert_eq!(subset(&train, 0, 8), [14, 31, 150, 189, 199, 255, 392, 495]);
        assert_eq!(subset(&[3, 1, 2], 0, 9), [1, 2, 3], "fewer are all taken");
    }

    #[test]
    fn a_permutation_holds_every_index() {
        let mut order = permutation(7, 1000);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1000));
    }
}
