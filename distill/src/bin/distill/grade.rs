//! `distill grade`.

use std::process::ExitCode;

/// `distill grade`.
#[derive(Debug, clap::Args)]
pub(crate) struct GradeArgs {}

pub(crate) fn grade(_args: &GradeArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("stub")
}
