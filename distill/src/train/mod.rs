//! Fine-tuning and training from scratch: `AdamW` over length-bucketed batches, with exact resume.
//!
//! What is minimised is a mean over the tokens of the completions, each counted with its sample's weight:
//! `Σ_i w_i Σ_t −ln p(t) / Σ_i w_i n_i` over the samples `i` of an optimizer step with `n_i` target tokens each. Training loss,
//! held-out loss and with it the choice among the student's weights all use the samples' weights; counts of tokens, batches
//! and the measured accuracy do not.
//!
//! Everything random is a function of (seed, epoch, position), so a checkpoint holds no generator state and a run that was
//! killed ends with the same bytes as one that was not.

mod batches;
mod curriculum;
mod error;
mod initial;
mod metrics;
mod schedule;

#[cfg(not(feature = "torch"))]
mod disabled;
#[cfg(feature = "torch")]
mod enabled;

use std::path::PathBuf;

pub use batches::{BatchPlan, Batches};
pub use curriculum::{Curriculum, Lesson};
#[cfg(not(feature = "torch"))]
pub use disabled::train;
#[cfg(feature = "torch")]
pub use enabled::train;
pub use error::TrainError;
pub use initial::{initial_values, initial_weight};
pub use metrics::{MetricRow, MetricsLog};
use pupil_models::config::StudentConfig;
use pupil_models::digest::Digest;
pub use schedule::Schedule;
use serde::{Deserialize, Serialize};

use crate::sample::TrainingSample;

/// How long to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duration {
    /// Passes over the training samples.
    Epochs(u32),
    /// Optimizer steps, over as many passes as they take.
    Steps(u32),
}

/// Which weights become the checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Those of the last step.
    #[default]
    Last,
    /// Those with the lowest held-out loss.
    HeldOut,
}

/// Settings of the optimizer and of the loop. Defaults in the experiment file, see `experiment`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// How long, after the curriculum.
    pub duration: Duration,
    /// What is learned from first.
    pub curriculum: Vec<Lesson>,
    /// Key of initial weights, data order and held-out choice.
    pub seed: u64,
    /// Largest padded size of a batch, in tokens.
    pub batch_tokens: usize,
    /// Batches whose gradients are summed for one optimizer step.
    pub accumulation: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// The learning rate at the end, as a fraction of the highest.
    pub final_learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u32,
    /// Decoupled weight decay of matrices; norms have none.
    pub weight_decay: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Largest norm of the gradient; longer ones are scaled down.
    pub clip_norm: f64,
    /// Standard deviation of initial weights.
    pub initial_deviation: f64,
    /// Fraction of the samples kept out of training.
    pub held_out: f64,
    /// Steps between two evaluations of the held-out loss.
    pub evaluate_every: u32,
    /// Steps between two checkpoints.
    pub checkpoint_every: u32,
    /// Which weights to keep.
    pub selection: Selection,
    /// Threads of libtorch.
    pub threads: usize,
}

/// Everything that [`train`] needs.
#[derive(Clone, Debug)]
pub struct TrainPlan {
    /// The student's architecture.
    pub config: StudentConfig,
    /// Folder of the checkpoint to start from; `None` starts from scratch.
    pub initial_checkpoint: Option<PathBuf>,
    /// The loop's settings.
    pub settings: TrainSettings,
    /// Identity of the inputs: samples, config, settings. A checkpoint of another identity is refused.
    pub fingerprint: Digest,
    /// Folder for checkpoints and `metrics.jsonl`.
    pub folder: PathBuf,
    /// Where the chosen weights are written.
    pub weights: PathBuf,
}

/// What a finished training run did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainReport {
    /// Optimizer steps.
    pub steps: u32,
    /// Weighed mean loss per target token over the last logged steps.
    pub final_loss: f64,
    /// Held-out loss of the chosen weights, if anything was held out.
    pub held_out_loss: Option<f64>,
    /// Step of the chosen weights.
    pub chosen_step: u32,
    /// Target tokens learned from in total, whatever their weight.
    pub target_tokens: u64,
    /// Checkpoints that were damaged and passed over when the run was resumed.
    pub damaged_checkpoints: Vec<PathBuf>,
}

/// Divides samples into training and held-out ones by a keyed permutation; at least one sample is trained on.
#[must_use]
pub fn hold_out(samples: &[TrainingSample], fraction: f64, seed: u64) -> (Vec<&TrainingSample>, Vec<&TrainingSample>) {
    let count = ((samples.len() as f64 * fraction).round() as usize).min(samples.len().saturating_sub(1));
    // 0x4F55_54 keeps this choice apart from the permutations of the epochs, which use the same seed.
    let order = crate::keyed::permutation(&[seed, 0x004F_5554], samples.len());
    let mut held: Vec<usize> = order[..count].to_vec();
    held.sort_unstable();
    let is_held = |index: &usize| held.binary_search(index).is_ok();
    let training = (0..samples.len()).filter(|index| !is_held(index)).map(|index| &samples[index]).collect();
    (training, held.iter().map(|&index| &samples[index]).collect())
}
