//! `distill batch`.

use std::process::ExitCode;

/// `distill batch`.
#[derive(Debug, clap::Args)]
pub(crate) struct BatchArgs {}

pub(crate) fn batch(_args: &BatchArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("stub")
}
