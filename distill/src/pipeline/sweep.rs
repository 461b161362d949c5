//! The variants of a sweep, one run after the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pupil_models::durable;
use serde::Serialize;
use serde_json::{Map, Value};

use super::compare::{chain, read};
use super::{PipelineError, Report, Run, StageName, measure};
use crate::eval::EvalReport;
use crate::experiment::{AxisValue, EvalPlan, ExperimentError, FilePlan, Sweep};
use crate::interrupt::Interrupt;

/// A validated sweep.
#[derive(Debug)]
pub struct SweepPlan {
    name: String,
    folder: PathBuf,
    axes: Vec<String>,
    variants: Vec<VariantPlan>,
}

#[derive(Debug)]
struct VariantPlan {
    name: String,
    values: Vec<AxisValue>,
    plan: FilePlan,
}

/// What came of a sweep: `sweep.json` in its folder.
#[derive(Clone, Debug, Serialize)]
pub struct SweepReport {
    /// Name of the sweep.
    pub name: String,
    /// The axes.
    pub axes: Vec<String>,
    /// The variants, in order; each has a folder of its name.
    pub variants: Vec<VariantReport>,
}

/// What came of one variant.
#[derive(Clone, Debug, Serialize)]
pub struct VariantReport {
    /// Its name and folder.
    pub name: String,
    /// Its value on each axis.
    pub values: Map<String, Value>,
    /// How far it is.
    pub state: VariantState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its evaluations, by name.
    pub evals: BTreeMap<String, EvalReport>,
}

/// How far a variant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VariantState {
    /// It was not asked for.
    NotRun,
    /// It went through the stages that were asked for.
    Done,
    /// It stopped on an error.
    Failed,
}

impl SweepPlan {
    /// Validates every variant of `sweep`, whose paths are relative to the folder `base`, for runs below `runs/NAME`.
    ///
    /// # Errors
    /// The first variant that is refused; nothing is written.
    pub fn new(sweep: &Sweep, base: &Path, runs: &Path) -> Result<Self, ExperimentError> {
        let folder = runs.join(&sweep.name);
        let mut variants = Vec::new();
        for variant in sweep.variants()? {
            let plan = variant.file.plan(base, &folder)?;
            variants.push(VariantPlan { name: variant.name, values: variant.values, plan });
        }
        Ok(Self { name: sweep.name.clone(), folder, axes: sweep.axes().map(str::to_owned).collect(), variants })
    }

    /// The names of the variants, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variants.iter().map(|variant| variant.name.as_str())
    }

    /// The folder that holds the runs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Runs the variants of which `wanted` holds, up to and including the stage `last`; what is done already is passed over.
///
/// A variant that fails does not stop the others. After each one `sweep.json` is written into the sweep's folder.
///
/// # Errors
/// Somebody asked to stop, or `sweep.json` cannot be written.
pub fn sweep(
    plan: &SweepPlan,
    wanted: impl Fn(&str) -> bool,
    last: StageName,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(Report),
) -> Result<SweepReport, PipelineError> {
    let variants = plan.variants.iter().map(VariantReport::before).collect();
    let mut report = SweepReport { name: plan.name.clone(), axes: plan.axes.clone(), variants };
    let count = plan.variants.len();
    for (number, variant) in plan.variants.iter().enumerate().filter(|(_, variant)| wanted(&variant.name)) {
        watch(Report::Note(format!("variant {} ({} of {count})", variant.name, number + 1)));
        let error = match run(&variant.plan, last, interrupt, watch) {
            Err(error) if error.is_interruption() => return Err(error),
            outcome => outcome.err().map(|error| chain(&error)),
        };
        if let Some(error) = &error {
            watch(Report::Note(format!("variant {} failed: {error}", variant.name)));
        }
        let state = if error.is_some() { VariantState::Failed } else { VariantState::Done };
        report.variants[number] = VariantReport { state, error, ..VariantReport::before(variant) };
        write(&plan.folder, &report)?;
    }
    Ok(report)
}

fn run(
    plan: &FilePlan,
    last: StageName,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(Report),
) -> Result<(), PipelineError> {
    match plan {
        FilePlan::Training(plan) => Run::open(plan, interrupt, watch)?.through(last),
        FilePlan::Measurement(plan) if last == StageName::Eval => measure(plan, interrupt, watch),
        FilePlan::Measurement(_) => Ok(()),
    }
}

impl VariantReport {
    /// What is known of a variant from its folder.
    fn before(variant: &VariantPlan) -> Self {
        let evals: &[EvalPlan] = match &variant.plan {
            FilePlan::Training(plan) => &plan.evals,
            FilePlan::Measurement(plan) => &plan.evals,
        };
        let folder = variant.plan.folder();
        // An evaluation's record is written last, so without one its files may be of a run that was broken off.
        let is_done = |name: &str| folder.join(format!("eval-{name}.stage.toml")).exists();
        let read = |eval: &EvalPlan| Some((eval.name.clone(), read(folder, &eval.name).ok()?.0));
        let evals: BTreeMap<_, _> = evals.iter().filter(|eval| is_done(&eval.name)).filter_map(read).collect();
        let state = if evals.is_empty() { VariantState::NotRun } else { VariantState::Done };
        let values = variant.values.iter().map(|value| (value.axis.clone(), value.value.clone())).collect();
        Self { name: variant.name.clone(), values, state, error: None, evals }
    }
}

fn write(folder: &Path, report: &SweepReport) -> Result<(), PipelineError> {
    let path = folder.join("sweep.json");
    let failed = |source| PipelineError::File { path: path.clone(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    // Reports are plain structs, which always serialise.
    let text = serde_json::to_string_pretty(report).unwrap_or_default() + "\n";
    durable::write(&path, text.as_bytes()).map_err(failed)
}
