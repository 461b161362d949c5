//! A student's weights as views of one flat buffer, so that clipping, the optimizer step and saving are one call each.

use std::collections::HashMap;

use pupil_models::family::WeightShape;
use tch::{Device, Kind, TchError, Tensor};

use super::StudentError;
use crate::checkpoint::CheckpointWeights;

/// Values that are read at a time.
const CHUNK: usize = 1 << 20;

/// Every weight in one buffer.
#[derive(Debug)]
pub(crate) struct FlatWeights {
    flat: Tensor,
    /// Leaves of the autograd graph that share memory with `flat`, in the order of the table.
    views: Vec<Tensor>,
    by_name: HashMap<String, usize>,
}

impl FlatWeights {
    /// Copies `values`, laid out in the order of `table`, into a buffer `[number of weights]`.
    pub(crate) fn new(table: &[WeightShape], values: &[f32]) -> Result<Self, TchError> {
        Self::of(table, Tensor::f_from_slice(values)?)
    }

    /// Reads the weights of `table` out of a checkpoint, a few at a time, so that they are in memory once.
    pub(crate) fn read(table: &[WeightShape], weights: &CheckpointWeights) -> Result<Self, StudentError> {
        let count = |weight: &WeightShape| weight.shape.iter().product::<usize>();
        let total: usize = table.iter().map(count).sum();
        let flat = Tensor::f_empty([total as i64], (Kind::Float, Device::Cpu))?;
        let (mut first, mut values) = (0, Vec::with_capacity(CHUNK));
        for weight in table {
            for start in (0..count(weight)).step_by(CHUNK) {
                values.clear();
                weights.read(&weight.name, start..count(weight).min(start + CHUNK), &mut values)?;
                let mut place = flat.f_narrow(0, first, values.len() as i64)?;
                place.f_copy_(&Tensor::f_from_slice(&values)?)?;
                first += values.len() as i64;
            }
        }
        Ok(Self::of(table, flat)?)
    }

    fn of(table: &[WeightShape], flat: Tensor) -> Result<Self, TchError> {
        let mut views = Vec::with_capacity(table.len());
        let mut by_name = HashMap::with_capacity(table.len());
        let mut start = 0;
        for (index, WeightShape { name, shape }) in table.iter().enumerate() {
            let length = shape.iter().product::<usize>() as i64;
            let sizes: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
            let view = flat.f_narrow(0, start, length)?.f_view(sizes.as_slice())?;
            views.push(view.f_detach()?.f_set_requires_grad(true)?);
            by_name.insert(name.clone(), index);
            start += length;
        }
        Ok(Self { flat, views, by_name })
    }

    /// The buffer; writing to it changes the views.
    pub(crate) fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// The weights as leaves, in the order of the table.
    pub(crate) fn views(&self) -> &[Tensor] {
        &self.views
    }

    /// A weight by its name; the names come from the same table.
    pub(crate) fn get(&self, name: &str) -> Result<&Tensor, TchError> {
        let index = self.by_name.get(name).ok_or_else(|| TchError::Kind(format!("no weight `{name}`")))?;
        Ok(&self.views[*index])
    }

    /// A copy of the buffer.
    pub(crate) fn values(&self) -> Result<Vec<f32>, TchError> {
        Vec::try_from(&self.flat)
    }
}
