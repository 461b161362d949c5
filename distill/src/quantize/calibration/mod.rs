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
use super::{Fitting, QuantizeError, Quantizer};
use crate::checkpoint::Checkpoint;
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

/// Who calibrates on what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalibrationPlan {
    /// What the statistics are for.
    pub calibration: Calibration,
    /// Token ids of kept rationales, prompts included.
    pub samples: Vec<Vec<u32>>,
}

impl CalibrationPlan {
    /// A plan with at most 128 of `samples`, spread over all of them, so that every task is among them.
    #[must_use]
    pub fn new(calibration: Calibration, samples: &[TrainingSample]) -> Self {
        let stride = samples.len().div_ceil(SAMPLES).max(1);
        let samples = samples.iter().step_by(stride).map(|sample| sample.ids.clone()).collect();
        Self { calibration, samples }
    }

    /// What rounds the weights of `checkpoint`; libtorch reads the samples with `threads` threads.
    ///
    /// # Errors
    /// The weights are refused, there is no sample, or libtorch fails.
    pub fn quantizer(&self, checkpoint: &Checkpoint, threads: usize) -> Result<Quantizer, QuantizeError> {
        if self.calibration == Calibration::None {
            return Ok(Quantizer::uncalibrated(Fitting::LeastError));
        }
        let calibrator = Calibrator::open(checkpoint, self.calibration, &self.samples, threads)?;
        Ok(Quantizer::calibrated(checkpoint.config(), calibrator))
    }
}

/// Samples that the student reads: the published methods take as many.
const SAMPLES: usize = 128;

/// What was gathered about one layer's inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Mean square of each input channel.
    pub mean_square: Vec<f32>,
    /// What compensation needs; absent where it was not asked for.
    pub factor: Option<InverseFactor>,
}
