//! `eval`: a bundle on a dataset.

use std::io::Write;
use std::process::ExitCode;

use pupil_distill::dataset::{Dataset, Example};
use pupil_distill::eval::budget::by_budget;
use pupil_distill::eval::harness::Subject;
use pupil_distill::eval::{evaluate as evaluate_bundle, files};
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
    if !args.budget.is_empty() {
        return budgets(args, &mut engine, &examples);
    }
    let evaluated = evaluate_bundle(&mut engine, &examples, &Interrupt::on_signals()?)?;
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)?;
        files::write(folder, &name(args), &subject(args, &engine), &examples, &evaluated)?;
    }
    let (result, graded) = evaluated;
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

fn budgets(args: &EvalArgs, engine: &mut Engine, examples: &[Example]) -> anyhow::Result<ExitCode> {
    let results = by_budget(engine, examples, &args.budget, &Interrupt::on_signals()?)?;
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)?;
        files::write_budgets(folder, &name(args), &results)?;
    }
    for result in &results {
        let sentence = || format!("{:>6} tokens: {}", result.budget_tokens, report::sentence(&result.report));
        report::data(&if args.json { serde_json::to_string(result)? } else { sentence() })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// As the evaluations of runs are named: the dataset and the split.
fn name(args: &EvalArgs) -> String {
    let stem = args.data.file_stem().unwrap_or_default().to_string_lossy();
    let split = args.split.as_ref().map_or(String::new(), |split| format!("-{}", split.name));
    format!("{stem}{split}")
}

fn subject(args: &EvalArgs, engine: &Engine) -> Subject {
    let file = |path: &std::path::Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Subject {
        model: file(&args.bundle),
        data: file(&args.data),
        split: args.split.as_ref().map(|split| split.name.clone()),
        ..Subject::trained(engine.contract())
    }
}
