//! Export: a checkpoint becomes a bundle, whose graph is constructed and then proved to compute what libtorch computes.
//!
//! [`build`] emits the family's forward pass as ONNX nodes, [`parity`] compares it with libtorch, and [`export`] puts both
//! into a bundle that appears only if the comparison holds. Other forms than float32 are measured against it on a [`Ladder`],
//! and [`search`] finds the cheapest one that loses no more accuracy than it may.

mod error;
mod genai;
mod graph;
mod ladder;
mod native;
pub mod parity;
pub mod proto;
mod rotary;
pub mod search;
mod sensitivity;
mod staged;
pub mod stock;
mod table;
mod trials;
pub mod weights;

use std::num::NonZeroUsize;
use std::path::Path;

use pupil_models::bundle::{BundleWriter, Calibrated, Manifest};
use pupil_models::contract::ReasoningContract;
use pupil_models::format::WeightFormat;

pub use error::ExportError;
pub use graph::{HEAD_DIM_UNIT, build};
pub use ladder::{GatePlan, Ladder};
pub use native::NativeForms;
pub use rotary::{RotaryTable, rotary_table};
pub use table::table;

use crate::checkpoint::Checkpoint;
use crate::dataset::Example;
use crate::interrupt::Interrupt;
use crate::student::ReferenceStudent;
use parity::Tolerance;
use search::Form;
use staged::Staged;

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
    /// Another form than float32, if one is wanted.
    pub quantised: Option<QuantisedPlan<'a>>,
    /// Threads of libtorch, and of rounding.
    pub threads: NonZeroUsize,
    /// Write the bundle even if it is outside the tolerance; the manifest then records the miss.
    pub force: bool,
    /// Where the bundle will appear.
    pub target: &'a Path,
}

/// A bundle in another form than float32.
#[derive(Clone, Debug)]
pub struct QuantisedPlan<'a> {
    /// The form; the cheapest one inside the tolerance if absent.
    pub form: Option<Form>,
    /// Accuracy that it may lose.
    pub within: Tolerance,
    /// Questions on which that is measured: neither trained on, nor those of a test, because a form is chosen by them.
    pub examples: &'a [Example],
    /// Who writes graph and weights.
    pub writer: &'a dyn FormWriter,
}

/// Writes the forms of a student.
pub trait FormWriter: std::fmt::Debug {
    /// Adds the graph and the weights of `form` to a bundle, and tells how they are stored.
    ///
    /// # Errors
    /// A weight is missing or cannot be stored, or the file cannot be written.
    fn write(&self, form: &Form, checkpoint: &Checkpoint, bundle: &BundleWriter) -> Result<WeightFormat, ExportError>;

    /// What rounding to `form` knows about the inputs of the layers, for the manifest.
    fn calibration(&self, form: &Form) -> Option<Calibrated> {
        let _ = form;
        None
    }
}

/// Exports a checkpoint as a bundle: in float32, or in the form that the plan asks for.
///
/// # Errors
/// [`ExportError`]; nothing is left behind then. A bundle that stood at the target stays until the new one is sealed.
pub fn export(plan: &ExportPlan<'_>, interrupt: &Interrupt) -> Result<Manifest, ExportError> {
    let checkpoint = Checkpoint::open(plan.checkpoint)?;
    checkpoint.weights().check_finite(checkpoint.config())?;
    let reference = ReferenceStudent::open(&checkpoint, plan.threads.get())?;
    let staged = Staged::write(plan, &checkpoint, &Form::FLOAT32, interrupt)?;
    let mut engine = staged.open()?;
    let proved = parity::compare(&mut engine, staged.bytes(), &reference, plan.questions, interrupt)?;
    if !plan.force {
        parity::require_float32(&proved.parity)?;
    }
    let Some(quantised) = &plan.quantised else {
        return staged.seal(Some(proved.parity));
    };
    let gate = GatePlan { within: quantised.within, examples: quantised.examples, force: plan.force };
    let ladder = Ladder::new(&mut engine, proved, &reference, gate, interrupt)?;
    // The engine maps a file that is about to be removed.
    drop(engine);
    trials::export(plan, quantised, &checkpoint, staged, ladder)
}

/// Exports a checkpoint in any format without comparing it with libtorch, as its manifest tells: for weights that nobody
/// trained.
///
/// # Errors
/// As [`export`].
pub fn export_without_parity(
    plan: &ExportPlan<'_>,
    format: WeightFormat,
    interrupt: &Interrupt,
) -> Result<Manifest, ExportError> {
    let checkpoint = Checkpoint::open(plan.checkpoint)?;
    Staged::write(plan, &checkpoint, &Form::Uniform(format), interrupt)?.seal(None)
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
    let threads = NonZeroUsize::MIN;
    let plan =
        ExportPlan { checkpoint, contract, name, questions: &[], quantised: None, threads, force: false, target };
    export_without_parity(&plan, WeightFormat::Float32, &Interrupt::new())
}
