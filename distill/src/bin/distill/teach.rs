//! `distill teach`.

use std::process::ExitCode;

use pupil_distill::pipeline::StageName;
use pupil_distill::teacher::{Shard, TeachOptions};

use crate::args::RunArgs;
use crate::run;

/// `distill teach`.
#[derive(Debug, clap::Args)]
pub(crate) struct TeachArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Only part K of N of the examples, in a store that `distill merge` joins with the others; `auto` and `auto/N` take K
    /// from a Slurm array or a Kubernetes indexed job
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// Go on although settings differ from those that the store was made with; the change is recorded
    #[arg(long)]
    accept: bool,
}

pub(crate) fn teach(args: &TeachArgs) -> anyhow::Result<ExitCode> {
    let options = TeachOptions { shard: args.shard, accept: args.accept, ..TeachOptions::default() };
    run::run_plan_with(&run::plan(&args.run)?, options, StageName::Teach)?;
    Ok(ExitCode::SUCCESS)
}
