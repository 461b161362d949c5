//! Export: a checkpoint becomes a bundle, whose graph is constructed and then proved to compute what libtorch computes.
//!
//! [`build`] emits the family's forward pass as ONNX nodes, [`parity`] compares it with libtorch, and [`export`] puts both
//! into a bundle that appears only if the comparison holds.

mod error;
mod genai;
mod graph;
pub mod parity;
pub mod proto;
mod rotary;
pub mod stock;
pub mod weights;

use std::num::NonZeroUsize;
use std::path::Path;

use prost::Message;
use pupil_models::bundle::{self, Bundle, BundleWriter, FORMAT_VERSION, Manifest, Parity, Provenance, WeightsFile};
use pupil_models::contract::ReasoningContract;
use pupil_models::format::WeightFormat;
use pupil_models::packed::Precision;
use pupil_runtime::{Engine, EngineOptions};

pub use error::ExportError;
pub use graph::{HEAD_DIM_UNIT, build};
pub use rotary::{RotaryTable, rotary_table};

use crate::checkpoint::Checkpoint;
use crate::interrupt::Interrupt;
use crate::quantize::calibration::{Calibration, Calibrator};
use crate::quantize::{Fitting, QuantizeError, Quantizer};
use crate::student::ReferenceStudent;
use stock::StockFormat;
use weights::{Uniform, WeightsPlan};

/// What becomes a bundle.
#[derive(Debug)]
pub struct ExportPlan<'a> {
    /// The checkpoint's folder.
    pub checkpoint: &'a Path,
    /// How the student is prompted and read.
    pub contract: &'a ReasoningContract,
    /// Name of the experiment, for the manifest.
    pub name: &'a str,
    /// How the weights are stored.
    pub format: WeightFormat,
    /// What the student reads before its weights are rounded; without it they are rounded for any input.
    pub calibration: Option<CalibrationPlan<'a>>,
    /// Questions on whose prompts parity is proved.
    pub questions: &'a [String],
    /// Threads of libtorch, and of rounding.
    pub threads: NonZeroUsize,
    /// Write the bundle even if parity is outside the tolerance; the manifest then records the miss.
    pub force: bool,
    /// Where the bundle will appear.
    pub target: &'a Path,
}

/// What rounding may know about the inputs of the layers.
#[derive(Clone, Copy, Debug)]
pub struct CalibrationPlan<'a> {
    /// What it does with them.
    pub calibration: Calibration,
    /// Token ids of kept rationales, prompts included.
    pub samples: &'a [Vec<u32>],
}

/// Exports a checkpoint as a bundle.
///
/// # Errors
/// [`ExportError`]; nothing is left behind then. A bundle that stood at the target stays until the new one is sealed.
pub fn export(plan: &ExportPlan<'_>, interrupt: &Interrupt) -> Result<Manifest, ExportError> {
    let checkpoint = Checkpoint::open(plan.checkpoint)?;
    checkpoint.weights().check_finite(checkpoint.config())?;
    let reference = ReferenceStudent::open(&checkpoint, plan.threads.get())?;
    let (writer, mut manifest) = stage(plan, &checkpoint, interrupt)?;
    let parity = prove(&writer, plan, &reference, interrupt)?;
    manifest.parity = Some(parity);
    writer.write_manifest(&manifest)?;
    writer.seal()?;
    Ok(manifest)
}

/// Exports a checkpoint without comparing it with libtorch, as its manifest tells: for weights that nobody trained.
///
/// # Errors
/// As [`export`].
pub fn export_without_parity(plan: &ExportPlan<'_>, interrupt: &Interrupt) -> Result<Manifest, ExportError> {
    let checkpoint = Checkpoint::open(plan.checkpoint)?;
    let (writer, manifest) = stage(plan, &checkpoint, interrupt)?;
    writer.seal()?;
    Ok(manifest)
}

/// Constructs a float32 bundle without a proof of parity: for tests.
///
/// # Errors
/// As [`export`].
#[doc(hidden)]
pub fn export_unproved(
    checkpoint: &Path,
    contract: &ReasoningContract,
    name: &str,
    target: &Path,
) -> Result<Manifest, ExportError> {
    let (format, threads) = (WeightFormat::Float32, NonZeroUsize::MIN);
    let plan = ExportPlan {
        checkpoint,
        contract,
        name,
        format,
        calibration: None,
        questions: &[],
        threads,
        force: false,
        target,
    };
    export_without_parity(&plan, &Interrupt::new())
}

/// Collects every file of the bundle in a hidden folder.
fn stage(
    plan: &ExportPlan<'_>,
    checkpoint: &Checkpoint,
    interrupt: &Interrupt,
) -> Result<(BundleWriter, Manifest), ExportError> {
    let writer = BundleWriter::create(plan.target)?;
    let path = writer.staging().join(bundle::WEIGHTS);
    let (config, weights) = (checkpoint.config(), checkpoint.weights());
    let output = WeightsPlan { config, weights, path: &path, threads: plan.threads, interrupt };
    match (plan.format, weights.whole_float32()) {
        (WeightFormat::Float32, Some(file)) => writer.add_copy(bundle::WEIGHTS, file.path())?,
        (WeightFormat::Float32, None) => weights::write_float32(&output)?,
        (WeightFormat::Native(precision), _) => {
            weights::write_native(&output, &Uniform::new(precision, quantizer(plan, checkpoint)?))?;
        }
        (WeightFormat::Portable(kind), _) => {
            let rounding = Uniform::new(Precision::Eight, quantizer(plan, checkpoint)?);
            weights::write_portable(&output, &StockFormat::of(kind), &rounding)?;
            writer.add(bundle::GENAI_CONFIG, genai::config(config).as_bytes())?;
        }
    }
    let model = build(config, plan.format, &WeightsFile::open(&path)?)?;
    writer.add(bundle::GRAPH, &model.encode_to_vec())?;
    writer.add(bundle::CONTRACT, plan.contract.to_json().as_bytes())?;
    writer.add(bundle::GENERATION_CONFIG, generation_config(checkpoint, plan.contract).as_bytes())?;
    writer.add_copy(bundle::TOKENIZER, &checkpoint.path(bundle::TOKENIZER))?;
    match plan.format {
        // The checkpoint's own would tell Hugging Face tools that the weights are as narrow as they were.
        WeightFormat::Float32 if weights.whole_float32().is_none() => {
            writer.add(bundle::CONFIG, config.to_json().as_bytes())?;
        }
        _ => writer.add_copy(bundle::CONFIG, &checkpoint.path(bundle::CONFIG))?,
    }
    let manifest = manifest(plan, checkpoint, &writer)?;
    writer.write_manifest(&manifest)?;
    Ok((writer, manifest))
}

/// What rounds the weights.
fn quantizer(plan: &ExportPlan<'_>, checkpoint: &Checkpoint) -> Result<Quantizer, ExportError> {
    match plan.calibration {
        None | Some(CalibrationPlan { calibration: Calibration::None, .. }) => {
            Ok(Quantizer::uncalibrated(Fitting::LeastError))
        }
        Some(CalibrationPlan { calibration, samples }) => {
            let calibrator = Calibrator::open(checkpoint, calibration, samples, plan.threads.get());
            Ok(Quantizer::calibrated(checkpoint.config(), calibrator.map_err(QuantizeError::from)?))
        }
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

fn manifest(plan: &ExportPlan<'_>, checkpoint: &Checkpoint, writer: &BundleWriter) -> Result<Manifest, ExportError> {
    Ok(Manifest {
        format: FORMAT_VERSION,
        family: checkpoint.config().family,
        weights: plan.format,
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

fn prove(
    writer: &BundleWriter,
    plan: &ExportPlan<'_>,
    reference: &ReferenceStudent,
    interrupt: &Interrupt,
) -> Result<Parity, ExportError> {
    let staged = Bundle::open(writer.staging())?;
    // As an app would run it: the proof is about the runtime's defaults.
    let mut engine = Engine::open_with(&staged, &EngineOptions::default())?;
    let parity = parity::compare(&mut engine, reference, plan.questions, interrupt)?;
    if !plan.force && plan.format == WeightFormat::Float32 {
        parity::require_float32(&parity)?;
    }
    Ok(parity)
}
