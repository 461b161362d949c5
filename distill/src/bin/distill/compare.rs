//! `distill compare`.

use std::process::ExitCode;

/// `distill compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {}

pub(crate) fn compare(_args: &CompareArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("stub")
}
