//! `distill status`.

use std::process::ExitCode;

/// `distill status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {}

pub(crate) fn status(_args: &StatusArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("stub")
}
