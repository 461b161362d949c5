//! `distill merge`.

use std::process::ExitCode;

/// `distill merge`.
#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {}

pub(crate) fn merge(_args: &MergeArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("stub")
}
