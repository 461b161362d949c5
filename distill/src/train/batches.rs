//! The order of the data: length-bucketed batches that depend only on (seed, epoch).

use crate::keyed::{mix, permutation};

/// Samples sorted by length within so many batches at a time: little padding, and still a different mix every epoch.
const BATCHES_PER_BUCKET: usize = 64;

/// How samples become batches.
#[derive(Clone, Debug)]
pub struct BatchPlan {
    lengths: Vec<usize>,
    batch_tokens: usize,
    seed: u64,
}

/// Indices of the samples in each batch of one epoch.
pub type Batches = Vec<Vec<usize>>;

impl BatchPlan {
    /// Batches of at most `batch_tokens` tokens, padding included; a longer sample is a batch of its own.
    #[must_use]
    pub fn new(lengths: Vec<usize>, batch_tokens: usize, seed: u64) -> Self {
        Self { lengths, batch_tokens, seed }
    }

    /// The batches of epoch `epoch`, in training order.
    #[must_use]
    pub fn epoch(&self, epoch: u32) -> Batches {
        let order = permutation(&[self.seed, u64::from(epoch)], self.lengths.len());
        let mean = self.lengths.iter().sum::<usize>() / self.lengths.len().max(1);
        let bucket = (BATCHES_PER_BUCKET * self.batch_tokens / mean.max(1)).max(1);
        let mut batches: Batches = order.chunks(bucket).flat_map(|samples| self.cut(samples)).collect();
        let key = mix(&[self.seed, u64::from(epoch), 1]);
        let shuffled = permutation(&[key], batches.len());
        shuffled.into_iter().map(|index| std::mem::take(&mut batches[index])).collect()
    }

    fn cut(&self, samples: &[usize]) -> Batches {
        let mut sorted = samples.to_vec();
        sorted.sort_by_key(|&index| self.lengths[index]);
        let mut batches: Batches = Vec::new();
        for index in sorted {
            // Sorted by length, so the sample in hand is the longest of its batch.
            let fits = |batch: &Vec<usize>| (batch.len() + 1) * self.lengths[index] <= self.batch_tokens;
            match batches.last_mut().filter(|batch| fits(batch)) {
                Some(batch) => batch.push(index),
                None => batches.push(vec![index]),
            }
        }
        batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_sample_is_seen_once_an_epoch_within_the_token_limit(
            lengths in proptest::collection::vec(1usize..300, 1..400),
            epoch in 0u32..5,
        ) {
            let plan = BatchPlan::new(lengths.clone(), 512, 7);
            let batches = plan.epoch(epoch);
            prop_assert_eq!(&batches, &plan.epoch(epoch));
            let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert!(seen.into_iter().eq(0..lengths.len()));
            for batch in batches {
                let longest = batch.iter().map(|&index| lengths[index]).max().unwrap();
                prop_assert!(batch.len() == 1 || batch.len() * longest <= 512);
            }
        }
    }

    #[test]
    fn bucketing_keeps_padding_small() {
        let lengths: Vec<usize> = (0..20_000).map(|index| 20 + (index * 7919) % 200).collect();
        let batches = BatchPlan::new(lengths.clone(), 4096, 1).epoch(0);
        let padded: usize =
            batches.iter().map(|batch| batch.len() * batch.iter().map(|&i| lengths[i]).max().unwrap()).sum();
        let real: usize = lengths.iter().sum();
        assert!((padded as f64) < 1.05 * real as f64, "{padded} padded for {real} real tokens");
    }
}
