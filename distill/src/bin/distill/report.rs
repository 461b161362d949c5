//! What goes to the terminal: reports of a run on stderr, data on stdout, and hints that mend common mistakes.

use std::io::Write;

use pupil_distill::eval::EvalReport;
use pupil_distill::experiment::ExperimentError;
use pupil_distill::pipeline::{PipelineError, Report, StageName};
use pupil_distill::rationale::RationaleError;
use pupil_distill::train::TrainError;

/// A line on stderr; a closed stderr is nobody's loss.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A line on stdout.
pub(crate) fn data(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")
}

/// Prints what a run reports.
pub(crate) fn watch(report: Report) {
    match report {
        Report::Started(stage) => line(&format!("{:>8} …", stage.as_str())),
        // Its numbers were shown as an evaluation.
        Report::Finished { stage: StageName::Eval, earlier: false, .. } => {}
        Report::Finished { stage, record, earlier } => {
            let counts: Vec<String> =
                record.counts.iter().map(|(name, count)| format!("{name} {}", short(*count))).collect();
            let when = if earlier { " (done before)" } else { "" };
            line(&format!("{:>8} {}{when}", stage.as_str(), counts.join(", ")));
        }
        Report::Evaluated { name, report } => line(&format!("{:>8} {name}: {}", "eval", sentence(&report))),
        Report::Note(text) => line(&format!("note: {text}")),
        Report::Table(text) => line(&text),
        _ => {}
    }
}

/// An evaluation in one line for people.
pub(crate) fn sentence(report: &EvalReport) -> String {
    format!(
        "accuracy {:.2} % [{:.2}, {:.2}] on {} questions, format {:.1} %, complete {:.1} %",
        100.0 * report.accuracy,
        100.0 * report.low,
        100.0 * report.high,
        report.n,
        100.0 * report.format_rate,
        100.0 * report.completeness
    )
}

fn short(count: f64) -> String {
    if count.fract() == 0.0 {
        return format!("{count}");
    }
    if count.abs() < 1e-3 { format!("{count:.1e}") } else { format!("{count:.4}") }
}

fn rationale_hint(error: &RationaleError) -> Option<String> {
    match error {
        RationaleError::Damaged { path, .. } => {
            let path = path.display();
            Some(format!("`distill rationales salvage {path} --out NEW.db` copies what can be read into a new store"))
        }
        RationaleError::Disk { .. } => Some("make room, or mend the disk; the same command then continues".to_owned()),
        RationaleError::OtherSettings { .. } => Some(
            "go back to those settings, give the run another name with --name, or go on with `distill teach --accept`"
                .to_owned(),
        ),
        _ => None,
    }
}

/// The mend of a common mistake, if the error is one.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    let pipeline = error.downcast_ref::<PipelineError>();
    match pipeline {
        Some(PipelineError::OtherInputs { stage, .. }) if stage == "filter" => {
            return Some(
                "samples were made of what it kept: `distill filter EXPERIMENT --again` judges again and forgets them, \
                 `distill run EXPERIMENT --name NEW` after `distill filter EXPERIMENT --name NEW --rationales-of OLD` keeps both"
                    .to_owned(),
            );
        }
        Some(PipelineError::OtherInputs { path, .. }) => {
            let folder = path.parent().unwrap_or(path);
            return Some(format!("give the run another name with --name, or remove `{}`", folder.display()));
        }
        Some(PipelineError::Train(TrainError::NoTorch)) => return Some("build with `make build`".to_owned()),
        Some(PipelineError::Train(TrainError::Fingerprint { .. })) => {
            return Some(
                "give the run another name with --name, or go back to the settings it was started with".to_owned(),
            );
        }
        Some(PipelineError::NothingKept { .. } | PipelineError::NoCompletion { .. }) => {
            return Some(
                "`distill filter EXPERIMENT --rejected` lists ids and reasons, `--explain ID` shows one".to_owned(),
            );
        }
        Some(PipelineError::AlreadyTrained { .. }) => {
            return Some(
                "`distill filter EXPERIMENT --name NEW --rationales-of OLD` judges in a run of its own".to_owned(),
            );
        }
        _ => {}
    }
    // A transparent error is no link of the chain.
    if let Some(PipelineError::Rationale(error)) = pipeline {
        return rationale_hint(error);
    }
    if let Some(hint) = error.chain().find_map(|cause| cause.downcast_ref().and_then(rationale_hint)) {
        return Some(hint);
    }
    if let Some(ExperimentError::Sweep { .. }) = error.downcast_ref() {
        return Some("`distill sweep` runs every variant".to_owned());
    }
    if let Some(ExperimentError::Read { .. }) = error.downcast_ref() {
        return Some("`models/students/symbolic.toml` is an example to start from".to_owned());
    }
    let library = |cause: &(dyn std::error::Error + 'static)| cause.is::<pupil_runtime::LibraryError>();
    error
        .chain()
        .any(library)
        .then(|| "run `make native`, or set ORT_DYLIB_PATH; `pupil doctor` shows what is found".to_owned())
}
