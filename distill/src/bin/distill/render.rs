//! `distill report`.

use std::path::PathBuf;
use std::process::ExitCode;

use pupil_distill::report::{ReportPlan, write};

use crate::report;

/// `distill report`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Runs: their folders or names, experiment files, or folders that hold runs
    #[arg(required = true, value_name = "RUN")]
    named: Vec<PathBuf>,
    /// The page; the CSV files go into a folder of the same name beside it
    #[arg(long, default_value = "report.html")]
    out: PathBuf,
    /// Folder that holds the runs, for names and experiment files
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
    /// A date to print on the page; without one, equal runs give equal bytes
    #[arg(long)]
    date: Option<String>,
}

pub(crate) fn render(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let plan = ReportPlan {
        named: args.named.clone(),
        runs: args.runs.clone(),
        out: args.out.clone(),
        date: args.date.clone(),
    };
    let written = write(&plan)?;
    let (runs, tables) = (written.runs.len(), written.tables.len());
    let folder = plan.out.with_extension("");
    report::line(&format!(
        "wrote `{}` about {runs} run{}, and {tables} CSV files into `{}`",
        plan.out.display(),
        if runs == 1 { "" } else { "s" },
        folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}
