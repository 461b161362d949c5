//! The student that exported graphs are compared with.

use pupil_models::config::StudentConfig;

use super::eager::InputReader;
use super::{FlatWeights, Rotary, StudentError, TokenBatch, logits, observe};
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
        let batch = one_row(ids)?;
        let logits = logits(&self.config, &self.weights, &self.rotary, &batch)?;
        Ok(Vec::try_from(logits.f_view([-1])?)?)
    }

    /// Reads `ids` and shows `reader` the input of every linear layer.
    pub(crate) fn observe(&self, ids: &[u32], reader: &mut InputReader<'_>) -> Result<(), StudentError> {
        let _guard = tch::no_grad_guard();
        Ok(observe(&self.config, &self.weights, &self.rotary, &one_row(ids)?, reader)?)
    }
}

/// A batch of one row, of which every position is wanted.
fn one_row(ids: &[u32]) -> Result<TokenBatch, StudentError> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    Ok(TokenBatch { ids: tch::Tensor::f_from_slice(&ids)?.f_view([1, -1])?, wanted_rows: None })
}
