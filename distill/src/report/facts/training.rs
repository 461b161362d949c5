//! `train/metrics.jsonl`: the log of the training loop.

use std::path::Path;

use super::optional;
use crate::report::ReportError;
use crate::train::MetricRow;

/// The log of a run's training.
#[derive(Clone, Debug)]
pub(in crate::report) struct TrainingLog {
    /// Its rows, by step; not empty.
    pub(in crate::report) rows: Vec<MetricRow>,
}

impl TrainingLog {
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ReportError> {
        let path = folder.join("train").join("metrics.jsonl");
        let Some(text) = optional(&path)? else { return Ok(None) };
        let mut rows: Vec<MetricRow> = Vec::new();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            match serde_json::from_str(line) {
                Ok(row) => rows.push(row),
                // The torn end of a process that was killed, or is still writing.
                Err(_) if !line.ends_with('\n') => {}
                Err(error) => {
                    let found = format!("line {}: {error}", index + 1);
                    return Err(ReportError::damaged(&path, "a row of the training log a line", found));
                }
            }
        }
        Ok((!rows.is_empty()).then_some(Self { rows }))
    }

    /// The mean loss of each of at most `most` equal stretches of steps, at their last step.
    pub(in crate::report) fn smoothed(&self, most: usize) -> Vec<(f64, f64)> {
        let count = most.min(self.rows.len());
        // A last stretch of the few steps that are left over would be mostly noise.
        let bound = |index: usize| index * self.rows.len() / count;
        let mean = |rows: &[MetricRow]| rows.iter().map(|row| row.loss).sum::<f64>() / rows.len() as f64;
        let stretches = (0..count).map(|index| &self.rows[bound(index)..bound(index + 1)]);
        stretches.map(|rows| (f64::from(rows[rows.len() - 1].step), mean(rows))).collect()
    }

    /// Held-out losses by step.
    pub(in crate::report) fn held_out(&self) -> Vec<(f64, f64)> {
        self.rows.iter().filter_map(|row| Some((f64::from(row.step), row.held_out_loss?))).collect()
    }
}
