//! The student that exported graphs are compared with.

use std::ops::Range;

use pupil_models::config::StudentConfig;

use super::eager::InputReader;
use super::{FlatWeights, Rotary, StudentError, TokenBatch, hidden, logits, logits_of, observe};
use crate::checkpoint::Checkpoint;

/// A checkpoint loaded into libtorch for inference.
#[derive(Debug)]
pub struct ReferenceStudent {
    config: StudentConfig,
    weights: FlatWeights,
    rotary: Rotary,
}

/// What the last layer leaves of one sequence, and the tokens.
#[derive(Debug)]
pub struct ReferenceStates {
    ids: tch::Tensor,
    hidden: tch::Tensor,
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
        let weights = FlatWeights::read(&table, checkpoint.weights())?;
        let rotary = Rotary::new(&config)?;
        Ok(Self { config, weights, rotary })
    }

    /// Logits of every position: row-major `[ids.len(), vocab_size]`.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn logits(&self, ids: &[u32]) -> Result<Vec<f32>, StudentError> {
        let _guard = tch::no_grad_guard();
        let batch = TokenBatch { ids: row(ids)?, wanted_rows: None };
        let logits = logits(&self.config, &self.weights, &self.rotary, &batch)?;
        Ok(Vec::try_from(logits.f_view([-1])?)?)
    }

    /// Reads a sequence as far as the last layer, so that [`Self::logits_of`] can compute the logits of a large vocabulary a
    /// few positions at a time.
    ///
    /// # Errors
    /// libtorch fails.
    pub fn states(&self, ids: &[u32]) -> Result<ReferenceStates, StudentError> {
        let _guard = tch::no_grad_guard();
        let batch = TokenBatch { ids: row(ids)?, wanted_rows: None };
        let hidden = hidden(&self.config, &self.weights, &self.rotary, &batch)?;
        Ok(ReferenceStates { ids: batch.ids, hidden })
    }

    /// Logits of some positions of a sequence: row-major `[positions.len(), vocab_size]`.
    ///
    /// # Errors
    /// libtorch fails, as it does for positions beyond the sequence.
    pub fn logits_of(&self, states: &ReferenceStates, positions: Range<usize>) -> Result<Vec<f32>, StudentError> {
        let _guard = tch::no_grad_guard();
        let positions: Vec<i64> = positions.map(|position| position as i64).collect();
        let wanted_rows = Some(tch::Tensor::f_from_slice(&positions)?);
        let batch = TokenBatch { ids: states.ids.shallow_clone(), wanted_rows };
        let logits = logits_of(&self.config, &self.weights, &self.rotary, &batch, &states.hidden)?;
        Ok(Vec::try_from(logits.f_view([-1])?)?)
    }

    /// Reads `ids` and shows `reader` the input of every linear layer.
    pub(crate) fn observe(&self, ids: &[u32], reader: &mut InputReader<'_>) -> Result<(), StudentError> {
        let _guard = tch::no_grad_guard();
        let batch = TokenBatch { ids: row(ids)?, wanted_rows: None };
        Ok(observe(&self.config, &self.weights, &self.rotary, &batch, reader)?)
    }

    /// Lets `work` compute with other values of some weights, which are as they were afterwards.
    ///
    /// # Errors
    /// libtorch fails, as it does for a weight that is not there or has another size.
    pub fn with_weights<T>(
        &self,
        replaced: &[(&str, Vec<f32>)],
        work: impl FnOnce(&Self) -> T,
    ) -> Result<T, StudentError> {
        let _guard = tch::no_grad_guard();
        let mut own = Vec::with_capacity(replaced.len());
        for (name, values) in replaced {
            let mut weight = self.weights.get(name)?.f_detach()?;
            own.push((weight.shallow_clone(), weight.f_detach_copy()?));
            let values = tch::Tensor::f_from_slice(values)?.f_view(weight.size().as_slice())?;
            weight.f_copy_(&values)?;
        }
        let result = work(self);
        for (mut weight, own) in own {
            weight.f_copy_(&own)?;
        }
        Ok(result)
    }
}

/// `[1, sequence]`.
fn row(ids: &[u32]) -> Result<tch::Tensor, tch::TchError> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    tch::Tensor::f_from_slice(&ids)?.f_view([1, -1])
}
