//! `metrics.jsonl`: one row per logged step, truncated on resume to the step that is resumed from.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use pupil_models::durable;
use serde::{Deserialize, Serialize};

use super::TrainError;

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    /// Optimizer step, counted from 1.
    pub step: u32,
    /// Epoch, counted from 0.
    pub epoch: u32,
    /// Mean training loss per target token of this step, each token counted with its sample's weight.
    pub loss: f64,
    /// The same mean over the held-out samples, with their weights, on the steps that evaluate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_loss: Option<f64>,
    /// Learning rate.
    pub learning_rate: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Target tokens learned from so far, whatever their weight.
    pub target_tokens: u64,
}

/// The open log.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: std::fs::File,
}

impl MetricsLog {
    /// Opens the log and drops rows after `last_step`: they will be written again.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn resume(path: &Path, last_step: u32) -> Result<Self, TrainError> {
        let failed = |source| TrainError::File { path: path.to_owned(), source };
        let old = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        // A row that does not parse is the torn end of a killed process.
        let is_kept = |line: &&str| serde_json::from_str::<MetricRow>(line).is_ok_and(|row| row.step <= last_step);
        let kept: String = old.lines().filter(is_kept).flat_map(|line| [line, "\n"]).collect();
        durable::write(path, kept.as_bytes()).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends a row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(&mut self, row: &MetricRow) -> Result<(), TrainError> {
        let failed = |source| TrainError::File { path: self.path.clone(), source };
        let mut line = serde_json::to_vec(row).map_err(std::io::Error::from).map_err(failed)?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(failed)
    }
}
