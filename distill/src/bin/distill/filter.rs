//! `distill filter`.

use std::process::ExitCode;

use pupil_distill::pipeline::StageName;

use crate::args::RunArgs;
use crate::run;

/// `distill filter`.
#[derive(Debug, clap::Args)]
pub(crate) struct FilterArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

pub(crate) fn filter(args: &FilterArgs) -> anyhow::Result<ExitCode> {
    run::through(&args.run, StageName::Filter)
}
