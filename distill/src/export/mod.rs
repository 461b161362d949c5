//! Export: a checkpoint becomes a bundle, whose graph is constructed and then proved to compute what libtorch computes.
//!
//! [`build`] emits the family's forward pass as ONNX nodes, [`parity`] compares it with libtorch, and [`export`] puts both
//! into a bundle that appears only if the comparison holds.

mod error;
mod graph;
pub mod parity;
pub mod proto;
mod rotary;

use std::path::Path;

use prost::Message;
use pupil_models::bundle::{self, Bundle, BundleWriter, FORMAT_VERSION, Manifest, Parity, Provenance};
use pupil_models::contract::ReasoningContract;
use pupil_runtime::{Engine, EngineOptions};

pub use error::ExportError;
pub use graph::{HEAD_DIM_UNIT, build};
pub use rotary::{RotaryTable, rotary_table};

use crate::checkpoint::Checkpoint;
use crate::interrupt::Interrupt;
use crate::student::ReferenceStudent;

/// What becomes a bundle.
#[derive(Debug)]
pub struct ExportPlan<'a> {
    /// The checkpoint's folder.
    pub checkpoint: &'a Path,
    /// How the student is prompted and read.
    pub contract: &'a ReasoningContract,
    /// Name of the experiment, for the manifest.
    pub name: &'a str,
    /// Questions on whose prompts parity is proved.
    pub questions: &'a [String],
    /// Threads of libtorch.
    pub threads: std::num::NonZeroUsize,
    /// Write the bundle even if parity is outside the tolerance; the manifest then records the miss.
    pub force: bool,
    /// Where the bundle will appear.
    pub target: &'a Path,
}

/// Exports a checkpoint as a float32 bundle.
///
/// # Errors
/// [`ExportError`]; nothing is left behind then. A bundle that stood at the target stays until the new one is sealed.
pub fn export(plan: &ExportPlan<'_>, interrupt: &Interrupt) -> Result<Manifest, ExportError> {
    let checkpoint = Checkpoint::open(plan.checkpoint)?;
    checkpoint.weights().check_finite()?;
    let reference = ReferenceStudent::open(&checkpoint, plan.threads.get())?;
    let writer = BundleWriter::create(plan.target)?;
    add_files(&writer, &checkpoint, plan)?;
    let mut manifest = manifest(plan, &checkpoint, &writer)?;
    writer.write_manifest(&manifest)?;
    let parity = prove(&writer, plan, &reference, interrupt)?;
    manifest.parity = Some(parity);
    writer.write_manifest(&manifest)?;
    writer.seal()?;
    Ok(manifest)
}

/// Constructs a bundle without a proof of parity, from weights that nobody trained: for tests.
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
    let checkpoint_files = Checkpoint::open(checkpoint)?;
    let threads = std::num::NonZeroUsize::MIN;
    let plan = ExportPlan { checkpoint, contract, name, questions: &[], threads, force: false, target };
    let writer = BundleWriter::create(target)?;
    add_files(&writer, &checkpoint_files, &plan)?;
    let manifest = manifest(&plan, &checkpoint_files, &writer)?;
    writer.write_manifest(&manifest)?;
    writer.seal()?;
    Ok(manifest)
}

fn add_files(writer: &BundleWriter, checkpoint: &Checkpoint, plan: &ExportPlan<'_>) -> Result<(), ExportError> {
    let contract = plan.contract;
    let model = build(checkpoint.config(), checkpoint.weights())?;
    writer.add(bundle::GRAPH, &model.encode_to_vec())?;
    writer.add(bundle::CONTRACT, contract.to_json().as_bytes())?;
    writer.add(bundle::GENERATION_CONFIG, generation_config(checkpoint, contract).as_bytes())?;
    // What has no tables is parsed by the library at every start, as `pupil inspect` shows.
    writer.add_tokenizer(&checkpoint.path(bundle::TOKENIZER), plan.questions)?;
    for name in [bundle::WEIGHTS, bundle::CONFIG] {
        writer.add_copy(name, &checkpoint.path(name))?;
    }
    Ok(())
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
        family: "llama".to_owned(),
        weights: "float32".to_owned(),
        parameters: checkpoint.config().parameter_count(),
        contract: plan.contract.digest(),
        provenance: Provenance {
            name: plan.name.to_owned(),
            created_by: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            checkpoint: checkpoint.digest()?,
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
    if !plan.force {
        parity::require_float32(&parity)?;
    }
    Ok(parity)
}
