//! Calibration: what the inputs of each linear layer are like while the student reads the task's own kept rationales.

#[cfg(not(feature = "torch"))]
mod disabled;
#[cfg(feature = "torch")]
mod enabled;

#[cfg(not(feature = "torch"))]
pub use disabled::Calibrator;
#[cfg(feature = "torch")]
pub use enabled::Calibrator;

use serde::{Deserialize, Serialize};

use super::compensate::InverseFactor;
use crate::sample::TrainingSample;

/// How much rounding knows about the inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Calibration {
    /// Nothing: scales of least squared error
    #[default]
    None,
    /// Mean squares of the channels: an error in a channel that carries much counts more
    Scales,
    /// Products of the channels: errors are made up for by weights that are not rounded yet
    Compensation,
}

/// Samples that the student reads: the published methods take as many.
const SAMPLES: usize = 128;

/// Token ids of at most 128 of `samples`, spread over all of them, so that every task is among them.
#[must_use]
pub fn spread(samples: &[TrainingSample]) -> Vec<Vec<u32>> {
    let stride = samples.len().div_ceil(SAMPLES).max(1);
    samples.iter().step_by(stride).map(|sample| sample.ids.clone()).collect()
}

/// What was gathered about one layer's inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Mean square of each input channel.
    pub mean_square: Vec<f32>,
    /// What compensation needs; absent where it was not asked for.
    pub factor: Option<InverseFactor>,
}
