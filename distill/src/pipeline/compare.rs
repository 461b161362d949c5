//! Several methods on one student and the same questions, each in a run of its own, and how they differ.

use std::path::Path;

use pupil_models::durable;
use serde::Serialize;

use super::measure::student;
use super::{PipelineError, Report, measure};
use crate::eval::{EvalReport, GradedCompletion, Paired, PromptingMethod, files};
use crate::experiment::{MeasuredStudentPlan, MeasurementPlan};
use crate::interrupt::Interrupt;

/// How several methods did on the same questions.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The evaluation: the dataset's name and the split.
    pub eval: String,
    /// Each method, in the order asked for.
    pub methods: Vec<MethodResult>,
    /// Every pair of methods that wrote completions.
    pub pairs: Vec<MethodPair>,
}

/// One method's result, or why it has none.
#[derive(Clone, Debug, Serialize)]
pub struct MethodResult {
    /// The method.
    pub method: PromptingMethod,
    /// The numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<EvalReport>,
    /// Why this student cannot be asked this way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Two methods on the same questions.
#[derive(Clone, Debug, Serialize)]
pub struct MethodPair {
    /// The first method.
    pub first: PromptingMethod,
    /// The second method.
    pub second: PromptingMethod,
    /// Their comparison.
    #[serde(flatten)]
    pub paired: Paired,
}

/// Measures by every plan, which differ in method and folder and have one evaluation, and writes `compare.json` into the
/// folder `out`.
///
/// A method that this student cannot be asked by, such as few-shot-CoT with too small a context, is stated in the result.
///
/// # Errors
/// As [`measure`].
pub fn compare(
    mut plans: Vec<MeasurementPlan>,
    out: &Path,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(Report),
) -> Result<Comparison, PipelineError> {
    if let Some(first) = plans.first() {
        // A checkpoint is exported once for all methods.
        let shared = MeasurementPlan { folder: out.to_owned(), ..first.clone() };
        let bundle = student(&shared, interrupt, watch)?;
        for plan in &mut plans {
            plan.student = bundle.clone().map(MeasuredStudentPlan::Bundle);
        }
    }
    let mut comparison = Comparison { eval: String::new(), methods: Vec::new(), pairs: Vec::new() };
    let mut completions: Vec<(PromptingMethod, Vec<GradedCompletion>)> = Vec::new();
    for plan in &plans {
        let method = plan.method;
        watch(Report::Note(format!("method {method}")));
        let (report, error) = match measure(plan, interrupt, watch) {
            Err(error) if error.is_about_the_method() => (None, Some(chain(&error))),
            Err(error) => return Err(error),
            Ok(()) => {
                let name = plan.evals.first().map_or("", |eval| &eval.name);
                name.clone_into(&mut comparison.eval);
                let (report, graded) = read(&plan.folder, name)?;
                completions.push((method, graded));
                (Some(report), None)
            }
        };
        comparison.methods.push(MethodResult { method, report, error });
    }
    comparison.pairs = pairs(&completions);
    // Reports are plain structs, which always serialise.
    let text = serde_json::to_string_pretty(&comparison).unwrap_or_default() + "\n";
    let path = out.join("compare.json");
    durable::write(&path, text.as_bytes()).map_err(|source| PipelineError::File { path, source })?;
    Ok(comparison)
}

fn pairs(completions: &[(PromptingMethod, Vec<GradedCompletion>)]) -> Vec<MethodPair> {
    let mut pairs = Vec::new();
    for (number, (first, one)) in completions.iter().enumerate() {
        for (second, other) in &completions[number + 1..] {
            pairs.extend(Paired::of(one, other).map(|paired| MethodPair { first: *first, second: *second, paired }));
        }
    }
    pairs
}

pub(super) fn read(folder: &Path, name: &str) -> Result<(EvalReport, Vec<GradedCompletion>), PipelineError> {
    files::read(folder, name)
        .map_err(|source| PipelineError::File { path: folder.join(format!("eval-{name}.json")), source })
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
