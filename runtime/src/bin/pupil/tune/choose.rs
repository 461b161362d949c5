//! Which candidates there are, and which of them is taken.

use std::num::NonZeroUsize;

/// What the later ones of two candidates cost more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// Cores that others could use.
    Cores,
    /// Memory: pre-packed weights are a second copy.
    Memory,
}

impl Cost {
    /// How much slower than the best a cheaper candidate may be.
    fn margin(self) -> f64 {
        match self {
            // About what medians of a few rounds differ by on a machine that is not quiet.
            Self::Cores => 1.03,
            Self::Memory => 1.10,
        }
    }
}

/// Index of the first of `medians`, cheapest first, that is about as low as the lowest.
pub(super) fn cheapest_of_best(medians: &[f64], cost: Cost) -> usize {
    let lowest = medians.iter().copied().fold(f64::INFINITY, f64::min);
    medians.iter().position(|median| *median <= lowest * cost.margin()).unwrap_or(0)
}

/// Whether a candidate was faster than another in at least three quarters of the rounds, in which both took turns: where it
/// was not, the machine was too restless to tell the two apart.
pub(super) fn surely_faster(times: &[f64], others: &[f64]) -> bool {
    let wins = times.iter().zip(others).filter(|(time, other)| time < other).count();
    4 * wins >= 3 * times.len()
}

/// Numbers of threads up to `most`: all small ones, then about half as many again each time, and `most` itself.
pub(crate) fn thread_counts(most: NonZeroUsize) -> impl Iterator<Item = NonZeroUsize> {
    let next = move |count: &NonZeroUsize| {
        let step = NonZeroUsize::MIN.saturating_add(count.get() / 2 - usize::from(count.get() > 1));
        (*count < most).then(|| count.saturating_add(step.get()).min(most))
    };
    std::iter::successors(Some(NonZeroUsize::MIN), next)
}

/// Powers of two up to `most`, as long as their caches stay within a gigabyte.
pub(super) fn row_counts(most: usize, row_bytes: usize) -> impl Iterator<Item = NonZeroUsize> {
    const MOST_BYTES: usize = 1 << 30;
    let counts =
        std::iter::successors(Some(NonZeroUsize::MIN), |rows| rows.checked_mul(NonZeroUsize::MIN.saturating_add(1)));
    counts.take_while(move |rows| {
        let fits = rows.get().saturating_mul(row_bytes) <= MOST_BYTES;
        rows.get() == 1 || (rows.get() <= most && fits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equals_the_cheapest_is_taken() {
        assert_eq!(cheapest_of_best(&[10.0, 9.9, 9.8], Cost::Cores), 0);
        assert_eq!(cheapest_of_best(&[10.0, 9.0, 8.9], Cost::Cores), 1);
        assert_eq!(cheapest_of_best(&[10.0, 9.2], Cost::Memory), 0, "a second copy must gain more");
        assert_eq!(cheapest_of_best(&[10.0, 8.0], Cost::Memory), 1);
        assert_eq!(cheapest_of_best(&[10.0], Cost::Cores), 0);
    }

    #[test]
    fn a_few_lucky_rounds_are_not_enough() {
        assert!(surely_faster(&[1.0, 1.0, 1.0, 9.0], &[2.0; 4]));
        assert!(!surely_faster(&[1.0, 1.0, 9.0, 9.0], &[2.0; 4]));
        assert!(!surely_faster(&[2.0; 4], &[2.0; 4]));
    }

    #[test]
    fn threads_end_with_the_most() {
        let counts =
            |most| -> Vec<usize> { thread_counts(NonZeroUsize::new(most).unwrap()).map(NonZeroUsize::get).collect() };
        assert_eq!(counts(1), [1]);
        assert_eq!(counts(2), [1, 2]);
        assert_eq!(counts(4), [1, 2, 3, 4]);
        assert_eq!(counts(16), [1, 2, 3, 4, 6, 9, 13, 16]);
        assert!(counts(128).len() < 16);
    }

    #[test]
    fn rows_are_bounded_by_count_and_by_memory() {
        let counts = |most, bytes| -> Vec<usize> { row_counts(most, bytes).map(NonZeroUsize::get).collect() };
        assert_eq!(counts(16, 1), [1, 2, 4, 8, 16]);
        assert_eq!(counts(64, 300 << 20), [1, 2]);
        assert_eq!(counts(64, usize::MAX), [1], "one row is always possible");
    }
}
