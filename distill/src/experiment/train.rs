//! `[train]`: the training loop, with defaults for everything but its length.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::{ExperimentError, require};
use crate::train::{Duration, Lesson, Selection, TrainSettings};

/// The training loop as typed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainTable {
    /// Passes over the samples; or `steps`.
    pub epochs: Option<u32>,
    /// Optimizer steps; or `epochs`.
    pub steps: Option<u32>,
    /// Steps on one task alone, before everything together.
    pub curriculum: Vec<Lesson>,
    /// Key of initial weights and data order.
    pub seed: u64,
    /// Largest padded size of a batch, in tokens.
    pub batch_tokens: usize,
    /// Batches per optimizer step.
    pub accumulation: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Last learning rate, as a fraction of the highest.
    pub final_learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u32,
    /// Weight decay of matrices.
    pub weight_decay: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Largest norm of the gradient.
    pub clip_norm: f64,
    /// Standard deviation of initial weights.
    pub initial_deviation: f64,
    /// Fraction of samples kept out of training.
    pub held_out: f64,
    /// Steps between two held-out losses.
    pub evaluate_every: u32,
    /// Steps between two checkpoints.
    pub checkpoint_every: u32,
    /// Which weights to keep.
    pub selection: Selection,
    /// Threads; one per core if absent.
    pub threads: Option<NonZeroUsize>,
}

impl Default for TrainTable {
    fn default() -> Self {
        Self {
            epochs: None,
            steps: None,
            curriculum: Vec::new(),
            seed: 0,
            batch_tokens: 4096,
            accumulation: 1,
            learning_rate: 3e-4,
            final_learning_rate: 0.1,
            warmup_steps: 100,
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.98,
            clip_norm: 1.0,
            initial_deviation: 0.02,
            held_out: 0.02,
            evaluate_every: 200,
            checkpoint_every: 200,
            selection: Selection::Last,
            threads: None,
        }
    }
}

impl TrainTable {
    /// Validates every number.
    pub(crate) fn settings(&self) -> Result<TrainSettings, ExperimentError> {
        let duration = match (self.epochs, self.steps) {
            (Some(epochs), None) => Duration::Epochs(epochs),
            (None, Some(steps)) => Duration::Steps(steps),
            (found, _) => {
                let found = if found.is_some() { "both" } else { "neither" };
                return Err(ExperimentError::Value {
                    key: "train".to_owned(),
                    expected: "either `epochs` or `steps`".to_owned(),
                    found: found.to_owned(),
                });
            }
        };
        self.check()?;
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(TrainSettings {
            duration,
            curriculum: self.curriculum.clone(),
            seed: self.seed,
            batch_tokens: self.batch_tokens,
            accumulation: self.accumulation,
            learning_rate: self.learning_rate,
            final_learning_rate: self.final_learning_rate,
            warmup_steps: self.warmup_steps,
            weight_decay: self.weight_decay,
            beta1: self.beta1,
            beta2: self.beta2,
            clip_norm: self.clip_norm,
            initial_deviation: self.initial_deviation,
            held_out: self.held_out,
            evaluate_every: self.evaluate_every,
            checkpoint_every: self.checkpoint_every,
            selection: self.selection,
            threads: self.threads.map_or_else(cores, NonZeroUsize::get),
        })
    }

    fn check(&self) -> Result<(), ExperimentError> {
        let length = self.epochs.or(self.steps).unwrap_or(0);
        let positive = [
            ("epochs or steps", length as usize),
            ("batch_tokens", self.batch_tokens),
            ("accumulation", self.accumulation),
            ("evaluate_every", self.evaluate_every as usize),
            ("checkpoint_every", self.checkpoint_every as usize),
        ];
        for (key, value) in positive {
            require(&format!("train.{key}"), value > 0, "a number above 0", value)?;
        }
        let ranges = [
            ("learning_rate", self.learning_rate, f64::MIN_POSITIVE, 1.0),
            ("final_learning_rate", self.final_learning_rate, 0.0, 1.0),
            ("weight_decay", self.weight_decay, 0.0, 10.0),
            ("beta1", self.beta1, 0.0, 0.999_999),
            ("beta2", self.beta2, 0.0, 0.999_999),
            ("clip_norm", self.clip_norm, f64::MIN_POSITIVE, 1e9),
            ("initial_deviation", self.initial_deviation, f64::MIN_POSITIVE, 10.0),
            ("held_out", self.held_out, 0.0, 0.9),
        ];
        for (key, value, low, high) in ranges {
            let expected = format!("a number from {low:e} to {high}");
            require(&format!("train.{key}"), (low..=high).contains(&value), &expected, value)?;
        }
        let can_select = self.selection == Selection::Last || self.held_out > 0.0;
        require("train.selection", can_select, "`last`, because `held_out` is 0", "held_out")
    }
}
