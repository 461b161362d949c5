//! Calibration: what the inputs of each linear layer are like while the student reads the task's own kept rationales.

#[cfg(not(feature = "torch"))]
mod disabled;
#[cfg(feature = "torch")]
mod enabled;

#[cfg(not(feature = "torch"))]
pub use disabled::Calibrator;
#[cfg(feature = "torch")]
pub use enabled::Calibrator;

use std::fs::File;
use std::path::Path;

use pupil_models::bundle::{Calibrated, CalibrationMethod};
use pupil_models::digest::Digest;
use serde::{Deserialize, Serialize};

use super::compensate::InverseFactor;
use super::{Fitting, QuantizeError, Quantizer};
use crate::checkpoint::Checkpoint;
use crate::sample::{self, SampleError};

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
    /// Digest of the file that they are from, for the manifest; absent if they are from none.
    pub file: Option<Digest>,
}

impl CalibrationPlan {
    /// A plan with at most 128 of the samples in a file, spread over all of them, so that every task is among them.
    ///
    /// # Errors
    /// The file cannot be read, or a row is not a sample.
    pub fn read(calibration: Calibration, path: &Path) -> Result<Self, SampleError> {
        let failed = |source| SampleError::File { path: path.to_owned(), source };
        let samples = sample::read(path)?;
        let file = Digest::of_reader(File::open(path).map_err(failed)?).map_err(failed)?;
        let stride = samples.len().div_ceil(SAMPLES).max(1);
        let samples = samples.into_iter().step_by(stride).map(|sample| sample.ids).collect();
        Ok(Self { calibration, samples, file: Some(file) })
    }

    /// The manifest's record of it; `None` if there is no calibration.
    #[must_use]
    pub fn record(&self) -> Option<Calibrated> {
        let method = match self.calibration {
            Calibration::None => return None,
            Calibration::Scales => CalibrationMethod::Scales,
            Calibration::Compensation => CalibrationMethod::Compensation,
        };
        // A student learns nothing about its layers from a sample without tokens, and does not read it.
        let samples = self.samples.iter().filter(|ids| !ids.is_empty()).count();
        Some(Calibrated { method, samples, file: self.file })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::SampleWeight;
    use crate::sample::TrainingSample;

    #[test]
    fn the_record_tells_how_many_samples_of_which_file_were_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.jsonl");
        let sample = |index: u32| TrainingSample {
            id: index.to_string(),
            ids: vec![index; 5],
            prompt_tokens: 2,
            weight: SampleWeight::default(),
        };
        let samples: Vec<TrainingSample> = (0..300).map(sample).collect();
        sample::write(&path, &samples).unwrap();
        let file = Digest::of(&std::fs::read(&path).unwrap());
        let plan = CalibrationPlan::read(Calibration::Scales, &path).unwrap();
        // Every third of them.
        assert_eq!(plan.samples[1], [3; 5]);
        let expected = Calibrated { method: CalibrationMethod::Scales, samples: 100, file: Some(file) };
        assert_eq!(plan.record(), Some(expected));
        assert_eq!(CalibrationPlan { calibration: Calibration::None, ..plan }.record(), None);
    }
}
