//! `distill teach`.

use std::process::ExitCode;

use pupil_distill::pipeline::StageName;

use crate::args::RunArgs;
use crate::run;

/// `distill teach`.
#[derive(Debug, clap::Args)]
pub(crate) struct TeachArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

pub(crate) fn teach(args: &TeachArgs) -> anyhow::Result<ExitCode> {
    run::through(&args.run, StageName::Teach)
}
