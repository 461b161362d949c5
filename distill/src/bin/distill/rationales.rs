//! `distill rationales`.

use std::process::ExitCode;

/// `distill rationales`.
#[derive(Debug, clap::Args)]
pub(crate) struct RationalesArgs {}

pub(crate) fn rationales(_args: &RationalesArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("stub")
}
