//! `distill report`.

use std::process::ExitCode;

/// `distill report`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {}

pub(crate) fn render(_args: &ReportArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("stub")
}
