//! A training of seconds, straight through the loop: random samples of two tasks, a lesson, several epochs.

use pupil_distill::filter::SampleWeight;
use pupil_distill::keyed::mix;
use pupil_distill::sample::TrainingSample;
use pupil_distill::train::{Duration, Lesson, Selection, TrainSettings};

/// Steps of the lesson; the step after it draws from everything.
pub(crate) const LESSON_STEPS: u32 = 4;
/// Steps in all.
pub(crate) const TOTAL_STEPS: u32 = 24;

/// Samples of random tokens and lengths, which depend on their number alone.
pub(crate) fn samples(count: u64) -> Vec<TrainingSample> {
    let sample = |number: u64| {
        let tokens = 8 + mix(&[number]) % 30;
        TrainingSample {
            id: format!("{}/{number}#0", ["coin_flip", "last_letter_concatenation"][number as usize % 2]),
            ids: (0..tokens).map(|position| 1 + (mix(&[number, position]) % 250) as u32).collect(),
            prompt_tokens: 1 + (mix(&[number, 1, 2]) % 6) as usize,
            weight: SampleWeight::FULL,
        }
    };
    (0..count).map(sample).collect()
}

/// A few batches a step, a few steps an epoch, with an odd one at its end.
pub(crate) fn settings() -> TrainSettings {
    TrainSettings {
        duration: Duration::Steps(TOTAL_STEPS - LESSON_STEPS),
        curriculum: vec![Lesson { steps: LESSON_STEPS, task: "coin_flip".to_owned() }],
        seed: 5,
        batch_tokens: 150,
        accumulation: 2,
        learning_rate: 1e-2,
        final_learning_rate: 0.1,
        warmup_steps: 3,
        weight_decay: 0.1,
        beta1: 0.9,
        beta2: 0.98,
        clip_norm: 1.0,
        initial_deviation: 0.1,
        held_out: 0.1,
        evaluate_every: 3,
        checkpoint_every: 1,
        selection: Selection::HeldOut,
        threads: 1,
    }
}
