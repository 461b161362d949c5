//! `distill merge`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use pupil_distill::interrupt::Interrupt;
use pupil_distill::pipeline::Run;
use pupil_distill::rationale::{MergeReport, Store, merge as join};

use crate::args::RunArgs;
use crate::store_path::{shards_in, store_in};
use crate::{report, run};

/// `distill merge`.
#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// An experiment whose shards are joined into its run's store; with `--into`, stores
    #[arg(value_name = "EXPERIMENT|STORE", required = true)]
    inputs: Vec<PathBuf>,
    /// Join the given stores into this one
    #[arg(long, value_name = "STORE")]
    into: Option<PathBuf>,
    /// Folder that holds the runs
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
    /// Name of the run, instead of the experiment's
    #[arg(long, conflicts_with = "into")]
    name: Option<String>,
}

pub(crate) fn merge(args: &MergeArgs) -> anyhow::Result<ExitCode> {
    let report = match &args.into {
        Some(target) => join(&mut Store::open(target)?, &args.inputs)?,
        None => merge_run(args)?,
    };
    report::line(&format!("merged: {} completions are new, {} were there", report.written, report.same));
    for missing in report.missing {
        report::line(&format!("note: {missing}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn merge_run(args: &MergeArgs) -> anyhow::Result<MergeReport> {
    let [experiment] = args.inputs.as_slice() else {
        bail!("expected one experiment, or `--into STORE`, found {} files", args.inputs.len());
    };
    let (experiment, runs, name) = (experiment.clone(), args.runs.clone(), args.name.clone());
    let plan = run::plan(&RunArgs { experiment, runs, name, vanilla: false, round: None })?;
    let shards = shards_in(&plan.folder)?;
    if shards.is_empty() {
        bail!("expected shards in `{}`, found none", plan.folder.join("shards").display());
    }
    let interrupt = Interrupt::on_signals()?;
    let mut watch = report::watch;
    // Keeps other commands off the run meanwhile.
    let _run = Run::open(&plan, &interrupt, &mut watch)?;
    Ok(join(&mut Store::open(&store_in(&plan.folder))?, &shards)?)
}
