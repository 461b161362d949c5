//! `pupil bench`: load time, latencies, throughput and memory.

mod measure;
mod memory;
mod report;

use std::process::ExitCode;

use crate::args::Bench;
use crate::output;
use crate::plan::{bundle_or_default, engine_options};

pub(crate) fn run(arguments: &Bench) -> anyhow::Result<ExitCode> {
    let folder = bundle_or_default(arguments.bundle.clone())?;
    let report = measure::measure(&folder, arguments, &engine_options(&arguments.engine))?;
    if arguments.json {
        output::json(&report)?;
    } else {
        output::table(&report.rows())?;
    }
    Ok(ExitCode::SUCCESS)
}
