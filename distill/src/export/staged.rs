//! A bundle under construction that can already be opened: what is measured is what will be sealed.

use pupil_models::bundle::{self, Bundle, BundleWriter, FORMAT_VERSION, Manifest, Parity, Provenance};
use pupil_models::contract::ReasoningContract;
use pupil_models::format::WeightFormat;
use pupil_runtime::{Engine, EngineOptions};

use super::search::Form;
use super::{ExportError, ExportPlan, FormWriter, NativeForms};
use crate::checkpoint::Checkpoint;
use crate::interrupt::Interrupt;
use crate::quantize::calibration::CalibrationPlan;

/// A bundle of one form, beside the target; dropped, it is gone.
#[derive(Debug)]
pub(super) struct Staged {
    writer: BundleWriter,
    manifest: Manifest,
}

impl Staged {
    /// Writes every file of the bundle. There can be one at a time for a target.
    pub(super) fn write(
        plan: &ExportPlan<'_>,
        checkpoint: &Checkpoint,
        form: &Form,
        interrupt: &Interrupt,
    ) -> Result<Self, ExportError> {
        let writer = BundleWriter::create(plan.target)?;
        let weights = match &plan.quantised {
            Some(quantised) if *form != Form::FLOAT32 => quantised.writer.write(form, checkpoint, &writer)?,
            _ => {
                let forms = NativeForms::new(plan.threads, interrupt.clone(), CalibrationPlan::default());
                forms.write(form, checkpoint, &writer)?
            }
        };
        writer.add(bundle::CONTRACT, plan.contract.to_json().as_bytes())?;
        writer.add(bundle::GENERATION_CONFIG, generation_config(checkpoint, plan.contract).as_bytes())?;
        // What has no tables is parsed by the library at every start, as `pupil inspect` shows.
        writer.add_tokenizer(&checkpoint.path(bundle::TOKENIZER), plan.questions)?;
        if weights == WeightFormat::Float32 && checkpoint.weights().whole_float32().is_none() {
            // The checkpoint's own would tell Hugging Face tools that the weights are as narrow as they were.
            writer.add(bundle::CONFIG, checkpoint.config().to_json().as_bytes())?;
        } else {
            writer.add_copy(bundle::CONFIG, &checkpoint.path(bundle::CONFIG))?;
        }
        let manifest = manifest(plan, checkpoint, weights, &writer)?;
        writer.write_manifest(&manifest)?;
        Ok(Self { writer, manifest })
    }

    /// An engine as an app would have it: what is proved is proved of the runtime's defaults.
    pub(super) fn open(&self) -> Result<Engine, ExportError> {
        let staged = Bundle::open(self.writer.staging())?;
        Ok(Engine::open_with(&staged, &EngineOptions::default())?)
    }

    /// Size of graph and weights.
    pub(super) fn bytes(&self) -> u64 {
        let records = [bundle::GRAPH, bundle::WEIGHTS].iter().filter_map(|&name| self.manifest.files.get(name));
        records.map(|record| record.bytes).sum()
    }

    /// Makes the bundle appear, with what was proved about it.
    pub(super) fn seal(mut self, parity: Option<Parity>) -> Result<Manifest, ExportError> {
        self.manifest.parity = parity;
        self.writer.write_manifest(&self.manifest)?;
        self.writer.seal()?;
        Ok(self.manifest)
    }
}

/// Decoding defaults for Hugging Face tools, so that `generate` does there what the runtime does here.
fn generation_config(checkpoint: &Checkpoint, contract: &ReasoningContract) -> String {
    let config = serde_json::json!({
        "do_sample": false,
        "eos_token_id": checkpoint.config().eos_ids,
        "max_new_tokens": contract.completion_budget_tokens(),
    });
    format!("{config:#}\n")
}

fn manifest(
    plan: &ExportPlan<'_>,
    checkpoint: &Checkpoint,
    weights: WeightFormat,
    writer: &BundleWriter,
) -> Result<Manifest, ExportError> {
    Ok(Manifest {
        format: FORMAT_VERSION,
        family: checkpoint.config().family,
        weights,
        parameters: checkpoint.config().parameter_count(),
        contract: plan.contract.digest(),
        provenance: Provenance {
            name: plan.name.to_owned(),
            created_by: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            checkpoint: checkpoint.weights().digest()?,
        },
        parity: None,
        files: writer.records()?,
    })
}
