//! The forms of a student other than its checkpoint's: matrices in the precision that the form gives each, chosen by one
//! quantizer, under our own operators or under ONNX Runtime's.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use prost::Message;
use pupil_models::bundle::{BundleWriter, Calibrated, GENAI_CONFIG, GRAPH, WEIGHTS, WeightsFile};
use pupil_models::family::NativeMatrix;
use pupil_models::format::WeightFormat;
use pupil_models::packed::Precision;

use super::search::Form;
use super::stock::StockFormat;
use super::weights::{Rounding, WeightsPlan, write_float32, write_native, write_portable};
use super::{ExportError, FormWriter, build, genai};
use crate::checkpoint::Checkpoint;
use crate::interrupt::Interrupt;
use crate::quantize::calibration::CalibrationPlan;
use crate::quantize::{BlockFormat, QuantizeError, QuantizedMatrix, Quantizer};

/// Writes a checkpoint in float32, or in a native or portable form.
#[derive(Clone, Debug)]
pub struct NativeForms {
    threads: NonZeroUsize,
    interrupt: Interrupt,
    calibration: CalibrationPlan,
    /// Made for the first form that needs it; the next ones are of the same checkpoint.
    quantizer: OnceLock<Arc<Quantizer>>,
}

impl NativeForms {
    /// Rounds with `threads` threads, as `calibration` says, until `interrupt` stops it. It serves one checkpoint.
    #[must_use]
    pub fn new(threads: NonZeroUsize, interrupt: Interrupt, calibration: CalibrationPlan) -> Self {
        Self { threads, interrupt, calibration, quantizer: OnceLock::new() }
    }

    fn quantizer(&self, checkpoint: &Checkpoint) -> Result<&Quantizer, ExportError> {
        if let Some(quantizer) = self.quantizer.get() {
            return Ok(quantizer);
        }
        let quantizer = self.calibration.quantizer(checkpoint, self.threads.get())?;
        Ok(self.quantizer.get_or_init(|| Arc::new(quantizer)))
    }
}

impl FormWriter for NativeForms {
    fn write(&self, form: &Form, checkpoint: &Checkpoint, bundle: &BundleWriter) -> Result<WeightFormat, ExportError> {
        let path = bundle.staging().join(WEIGHTS);
        let (config, weights) = (checkpoint.config(), checkpoint.weights());
        let output = WeightsPlan { config, weights, path: &path, threads: self.threads, interrupt: &self.interrupt };
        let format = form.weights();
        let rounding =
            |precision| Ok::<_, ExportError>(FormRounding { form, precision, quantizer: self.quantizer(checkpoint)? });
        match (format, weights.whole_float32()) {
            (WeightFormat::Float32, Some(file)) => bundle.add_copy(WEIGHTS, file.path())?,
            (WeightFormat::Float32, None) => write_float32(&output)?,
            (WeightFormat::Native(precision), _) => write_native(&output, &rounding(precision)?)?,
            (WeightFormat::Portable(kind), _) => {
                write_portable(&output, &StockFormat::of(kind), &rounding(Precision::Eight)?)?;
                bundle.add(GENAI_CONFIG, genai::config(config).as_bytes())?;
            }
        }
        let model = build(config, format, &WeightsFile::open(&path)?)?;
        bundle.add(GRAPH, &model.encode_to_vec())?;
        Ok(format)
    }

    fn calibration(&self, form: &Form) -> Option<Calibrated> {
        match form.weights() {
            WeightFormat::Float32 | WeightFormat::Native(Precision::Sixteen) => None,
            WeightFormat::Native(Precision::Four | Precision::Eight) | WeightFormat::Portable(_) => {
                self.calibration.record()
            }
        }
    }
}

/// Rounds in the form's precision of each matrix.
struct FormRounding<'a> {
    form: &'a Form,
    /// That of most matrices.
    precision: Precision,
    quantizer: &'a Quantizer,
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
        self.quantizer.quantize(weight, columns, format, rows)
    }
}
