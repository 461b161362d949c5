//! `eval`: a bundle on the questions of a dataset.

use std::io::Write;
use std::process::ExitCode;

use pupil_distill::dataset::Dataset;
use pupil_distill::eval::evaluate as evaluate_bundle;
use pupil_distill::interrupt::Interrupt;
use pupil_models::bundle::Bundle;
use pupil_models::durable;
use pupil_runtime::{Engine, EngineOptions};

use crate::args::EvalArgs;
use crate::report;

pub(crate) fn evaluate(args: &EvalArgs) -> anyhow::Result<ExitCode> {
    let dataset = Dataset::read(&args.data)?;
    let examples = match &args.split {
        Some(split) => dataset.split(&split.path, &split.name)?,
        None => dataset.examples().to_vec(),
    };
    let bundle = Bundle::open(&args.bundle)?;
    let options = EngineOptions { threads: args.threads, ..EngineOptions::default() };
    let mut engine = Engine::open_with(&bundle, &options)?;
    let (result, graded) = evaluate_bundle(&mut engine, &examples, &Interrupt::on_signals()?)?;
    if let Some(path) = &args.completions {
        durable::write_with(path, |file| {
            graded.iter().try_for_each(|row| writeln!(file, "{}", serde_json::to_string(row)?))
        })?;
    }
    let text = if args.json { serde_json::to_string(&result)? } else { report::sentence(&result) };
    report::data(&text)?;
    let misses = args.require.is_some_and(|least| result.accuracy < least);
    Ok(if misses { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
