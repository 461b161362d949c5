//! `distill sweep`.

use std::process::ExitCode;

/// `distill sweep`.
#[derive(Debug, clap::Args)]
pub(crate) struct SweepArgs {}

pub(crate) fn sweep(_args: &SweepArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("stub")
}
