//! How a graph is told what lies in the cache: as positions, or as the mask that other runtimes provide.

use ort::session::IoBinding;
use ort::value::Tensor;
use pupil_models::format::WeightFormat;
use pupil_models::graph;

use super::cache::tensor;

/// The inputs that say how long each row is, bound to a session.
#[derive(Debug)]
pub(super) enum Lengths {
    /// Two small inputs, bound once.
    Positions {
        /// `[rows]`.
        last: Tensor<i32>,
        /// A scalar.
        total: Tensor<i32>,
    },
    /// A portable graph's mask, `[rows, total]`: as wide as the longest row, so that it is bound again for every run.
    Mask,
}

impl Lengths {
    /// To be bound once.
    pub(super) fn new(rows: usize, format: WeightFormat) -> ort::Result<Self> {
        if format.is_portable() {
            return Ok(Self::Mask);
        }
        Ok(Self::Positions { last: tensor([rows], vec![0; rows])?, total: tensor([], vec![0])? })
    }

    /// Binds what is written; a mask is bound whenever it is.
    pub(super) fn bind(&self, binding: &mut IoBinding) -> ort::Result<()> {
        if let Self::Positions { last, total } = self {
            binding.bind_input(graph::LAST_POSITION, last)?;
            binding.bind_input(graph::TOTAL_LENGTH, total)?;
        }
        Ok(())
    }

    /// Writes the rows' lengths once the inputs are appended.
    pub(super) fn set(&mut self, binding: &mut IoBinding, totals: impl Iterator<Item = usize>) -> ort::Result<()> {
        match self {
            Self::Positions { last, total } => {
                let (_, last) = last.extract_tensor_mut();
                let mut longest = 0;
                for (last, total) in last.iter_mut().zip(totals) {
                    *last = total as i32 - 1;
                    longest = longest.max(total);
                }
                total.extract_tensor_mut().1[0] = longest as i32;
                Ok(())
            }
            Self::Mask => {
                let totals: Vec<usize> = totals.collect();
                let longest = totals.iter().copied().max().unwrap_or(0);
                let row = |&total: &usize| (0..longest).map(move |position| i64::from(position < total));
                let mask = tensor([totals.len(), longest], totals.iter().flat_map(row).collect())?;
                binding.bind_input(graph::ATTENTION_MASK, &mask)
            }
        }
    }
}
