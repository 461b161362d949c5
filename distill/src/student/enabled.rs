//! The student that exported graphs are compared with.

use pupil_models::config::StudentConfig;

use super::{FlatWeights, Rotary, StudentError, TokenBatch, logits};
use crate::checkpoint::Checkpoint;

/// A checkpoint loaded into libtorch for inference.
#[derive(Debug)]
pub struct ReferenceStudent {
    config: StudentConfig,
    weights: FlatWeights,
    rotary: Rotary,
}

impl ReferenceStudent {
    /// Loads the weights of `checkpoint`; libtorch computes with `threads` threads from then on, in the whole process.
    ///
    /// # Errors
    /// The weights are refused or libtorch fails.
    pub fn open(checkpoint: &Checkpoint, threads: usize) -> Result<Self, StudentError> {
        tch::set_num_threads(threads as i32);
        let config = checkpoint.config().clone();
        let table = pupil_models::family::weights(&config);
        let weights = FlatWeights::new(&table, &checkpoint.weights().flat_values(&table)?)?;
        let rotary = Rotary::new(&config)?;
        Ok(Self { config, weights, rotary })
    }

    /// Logits of every position: row-major `[ids.len(), vocab_size]`.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn logits(&self, ids: &[u32]) -> Result<Vec<f32>, StudentError> {
        let _guard = tch::no_grad_guard();
        let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let batch = TokenBatch { ids: tch::Tensor::f_from_slice(&ids)?.f_view([1, -1])?, wanted_rows: None };
        let logits = logits(&self.config, &self.weights, &self.rotary, &batch)?;
        Ok(Vec::try_from(logits.f_view([-1])?)?)
    }
}
