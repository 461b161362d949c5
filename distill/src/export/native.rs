//! The native forms: packed matrices, each in the precision that its form gives it, under our own operators.

use std::num::NonZeroUsize;

use prost::Message;
use pupil_models::bundle::{BundleWriter, GRAPH, WEIGHTS, WeightsFile};
use pupil_models::family::NativeMatrix;
use pupil_models::format::WeightFormat;
use pupil_models::packed::Precision;

use super::search::Form;
use super::weights::{Nearest, Rounding, WeightsPlan, write_float32, write_native};
use super::{ExportError, FormWriter, build};
use crate::checkpoint::Checkpoint;
use crate::interrupt::Interrupt;
use crate::quantize::{BlockFormat, QuantizeError, QuantizedMatrix};

/// Writes a checkpoint in float32 or in a native form.
#[derive(Clone, Debug)]
pub struct NativeForms {
    /// Threads that round.
    pub threads: NonZeroUsize,
    /// Who may stop it.
    pub interrupt: Interrupt,
}

impl FormWriter for NativeForms {
    fn write(&self, form: &Form, checkpoint: &Checkpoint, bundle: &BundleWriter) -> Result<WeightFormat, ExportError> {
        let path = bundle.staging().join(WEIGHTS);
        let (config, weights) = (checkpoint.config(), checkpoint.weights());
        let output = WeightsPlan { config, weights, path: &path, threads: self.threads, interrupt: &self.interrupt };
        let format = form.weights();
        match (format, weights.whole_float32()) {
            (WeightFormat::Float32, Some(file)) => bundle.add_copy(WEIGHTS, file.path())?,
            (WeightFormat::Float32, None) => write_float32(&output)?,
            (WeightFormat::Native(precision), _) => write_native(&output, &FormRounding { form, precision })?,
        }
        let model = build(config, format, &WeightsFile::open(&path)?)?;
        bundle.add(GRAPH, &model.encode_to_vec())?;
        Ok(format)
    }
}

/// Rounds to the nearest integer, in the form's precision of each matrix.
struct FormRounding<'a> {
    form: &'a Form,
    /// That of most matrices.
    precision: Precision,
}

impl Rounding for FormRounding<'_> {
    fn precision(&self, matrix: &NativeMatrix) -> Precision {
        self.form.precision(&matrix.name).unwrap_or(self.precision)
    }

    fn round(
        &self,
        weight: &str,
        columns: usize,
        format: BlockFormat,
        rows: &[f32],
    ) -> Result<QuantizedMatrix, QuantizeError> {
        Nearest(self.precision).round(weight, columns, format, rows)
    }
}
