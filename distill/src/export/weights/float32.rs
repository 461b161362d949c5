//! Weights as they are, widened to float32: what a checkpoint of other floats, or of several files, becomes.

use pupil_models::family::{self, WeightShape};
use safetensors::tensor::Dtype;

use super::{Output, WeightsPlan};
use crate::export::ExportError;
use crate::safetensors_writer::TensorEntry;

/// Values that are widened at a time.
const CHUNK: usize = 1 << 20;

/// Writes every weight of the checkpoint in float32, by its own name.
///
/// # Errors
/// The file cannot be written, or somebody asked to stop.
pub fn write_float32(plan: &WeightsPlan<'_>) -> Result<(), ExportError> {
    let table = family::weights(plan.config);
    let entry = |weight: &WeightShape| TensorEntry {
        name: weight.name.clone(),
        dtype: Dtype::F32,
        shape: weight.shape.clone(),
    };
    let mut output = Output::create(plan, &table.iter().map(entry).collect::<Vec<_>>())?;
    let (mut values, mut bytes) = (Vec::new(), Vec::new());
    for WeightShape { name, shape } in &table {
        let length = shape.iter().product();
        for start in (0..length).step_by(CHUNK) {
            values.clear();
            bytes.clear();
            plan.weights.read(name, start..length.min(start + CHUNK), &mut values)?;
            bytes.extend(values.iter().flat_map(|value: &f32| value.to_le_bytes()));
            output.write(&bytes)?;
        }
    }
    output.finish()
}
