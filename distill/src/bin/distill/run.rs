//! `run` and its single stages.

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;

use pupil_distill::dataset::{Dataset, Example};
use pupil_distill::eval::PromptingMethod;
use pupil_distill::experiment::{ExperimentError, ExperimentFile, MeasurementPlan, Method, Plan, rounds};
use pupil_distill::export::parity::Tolerance;
use pupil_distill::export::search::Form;
use pupil_distill::export::{
    ExportPlan, NativeForms, QuantisedPlan, export as export_checkpoint, export_without_parity, table,
};
use pupil_distill::interrupt::Interrupt;
use pupil_distill::pipeline::{Run, StageName, measure};
use pupil_distill::quantize::calibration::CalibrationPlan;
use pupil_distill::sample;
use pupil_distill::teacher::TeachOptions;
use pupil_models::bundle::{Manifest, TOKENIZER};
use pupil_models::contract::ReasoningContract;
use pupil_models::format::WeightFormat;
use pupil_models::tokenizer::Tokenizer;

use crate::args::{ExportArgs, RunArgs, SamplesArgs};
use crate::report;

/// Questions on which the parity of a foreign checkpoint is proved.
const PARITY_PROMPTS: usize = 200;

/// The validated plan of what was typed; of an experiment in rounds, that of the round which was asked for.
pub(crate) fn plan(args: &RunArgs) -> Result<Plan, ExperimentError> {
    let mut plans = plans(args)?;
    let last = plans.len() - 1;
    match args.round {
        None if last == 0 => Ok(plans.swap_remove(0)),
        Some(round) if round as usize <= last && last > 0 => Ok(plans.swap_remove(round as usize)),
        round => Err(ExperimentError::Value {
            key: "self_training".to_owned(),
            expected: match last {
                0 => "rounds, because `--round` is given".to_owned(),
                _ => format!("`--round` from 0 to {last}"),
            },
            found: round.map_or("none".to_owned(), |round| round.to_string()),
        }),
    }
}

/// The validated plans of all rounds, of which most experiments have one.
fn plans(args: &RunArgs) -> Result<Vec<Plan>, ExperimentError> {
    match file(args)? {
        ExperimentFile::Training(experiment) => {
            let plan = |round| Plan::new(round, base(args), &args.runs);
            rounds(&experiment, &args.runs)?.iter().map(plan).collect()
        }
        ExperimentFile::Measurement(measurement) => Err(no_training(measurement.method)),
    }
}

/// The experiment file with what was typed beside it.
fn file(args: &RunArgs) -> Result<ExperimentFile, ExperimentError> {
    let mut file = ExperimentFile::read(&args.experiment)?;
    if args.vanilla {
        match &mut file {
            ExperimentFile::Training(experiment) => experiment.method = Method::FineTune,
            ExperimentFile::Measurement(measurement) => return Err(no_training(measurement.method)),
        }
        file.rename(&format!("{}-vanilla", file.name()));
    }
    if let Some(name) = &args.name {
        file.rename(name);
    }
    Ok(file)
}

fn base(args: &RunArgs) -> &Path {
    args.experiment.parent().unwrap_or(Path::new("."))
}

fn no_training(method: PromptingMethod) -> ExperimentError {
    ExperimentError::Value {
        key: "method".to_owned(),
        expected: "one that trains a student".to_owned(),
        found: format!("`{method}`"),
    }
}

/// Runs a plan up to and including `last`, reporting on stderr.
pub(crate) fn run_plan(plan: &Plan, last: StageName) -> anyhow::Result<()> {
    run_plan_with(plan, TeachOptions { notice: Some(report::line), ..TeachOptions::default() }, last)
}

/// As [`run_plan`], with what the user says about the teachers.
pub(crate) fn run_plan_with(plan: &Plan, teach: TeachOptions, last: StageName) -> anyhow::Result<()> {
    let interrupt = Interrupt::on_signals()?;
    let mut watch = report::watch;
    Run::open_with(plan, teach, &interrupt, &mut watch)?.through(last)?;
    Ok(())
}

pub(crate) fn through(args: &RunArgs, last: StageName) -> anyhow::Result<ExitCode> {
    run_plan(&plan(args)?, last)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn through_all(args: &RunArgs) -> anyhow::Result<ExitCode> {
    if let ExperimentFile::Measurement(measurement) = file(args)? {
        let plan = MeasurementPlan::new(&measurement, base(args), &args.runs)?;
        measure(&plan, &Interrupt::on_signals()?, &mut report::watch)?;
        return Ok(ExitCode::SUCCESS);
    }
    let plans = if args.round.is_some() { vec![plan(args)?] } else { plans(args)? };
    for plan in &plans {
        if plans.len() > 1 {
            report::line(&format!("{}:", plan.name));
        }
        run_plan(plan, StageName::Eval)?;
    }
    if let Some(plan) = plans.last() {
        report::line(&format!("done: the student is `{}`", plan.folder.join("bundle").display()));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn samples(args: &SamplesArgs) -> anyhow::Result<ExitCode> {
    let plan = plan(&args.run)?;
    run_plan(&plan, StageName::Samples)?;
    let Some(count) = args.show else { return Ok(ExitCode::SUCCESS) };
    let tokenizer = match &plan.student {
        pupil_distill::experiment::StudentPlan::Checkpoint(checkpoint) => checkpoint.tokenizer().clone(),
        pupil_distill::experiment::StudentPlan::Scratch { .. } => Tokenizer::read(&plan.folder.join(TOKENIZER))?,
    };
    for sample in sample::read(&plan.folder.join("samples.jsonl"))?.iter().take(count) {
        let (tokens, targets) = (sample.ids.len(), sample.target_tokens());
        let weight = if sample.weight.is_full() { String::new() } else { format!(", weight {}", sample.weight) };
        report::data(&format!(
            "── {} ({tokens} tokens, {targets} learned{weight})\n{}\n",
            sample.id,
            sample.show(&tokenizer)?
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn export(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    if let (Some(checkpoint), Some(contract), Some(out)) = (&args.checkpoint, &args.contract, &args.out) {
        return export_foreign(args, checkpoint, contract, out);
    }
    let experiment = args.experiment.clone().unwrap_or_default();
    let run = RunArgs {
        experiment,
        runs: args.runs.clone(),
        name: args.name.clone(),
        vanilla: args.vanilla,
        round: args.round,
    };
    run_plan(&export_plan(args, &run)?, StageName::Export)?;
    Ok(ExitCode::SUCCESS)
}

/// The experiment's plan with what was typed beside it.
fn export_plan(args: &ExportArgs, run: &RunArgs) -> Result<Plan, ExperimentError> {
    let mut plan = plan(run)?;
    if args.format.is_some() || args.within.is_some() {
        plan.experiment.export.format = args.format;
        plan.experiment.export.within = args.within.or(plan.experiment.export.within);
        plan = Plan::new(&plan.experiment, base(run), &run.runs)?;
    }
    plan.force = args.force;
    Ok(plan)
}

fn export_foreign(args: &ExportArgs, checkpoint: &Path, contract: &Path, out: &Path) -> anyhow::Result<ExitCode> {
    let contract = ReasoningContract::read(contract)?;
    let examples = args.data.as_deref().map(Dataset::read).transpose()?;
    let examples = examples.as_ref().map_or(&[][..], Dataset::examples);
    let questions: Vec<String> = examples.iter().take(PARITY_PROMPTS).map(|example| example.question.clone()).collect();
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let interrupt = Interrupt::on_signals()?;
    let asked = spread(examples, args.questions);
    let read = |path| CalibrationPlan::read(args.calibration, path);
    let calibration = args.samples.as_deref().map(read).transpose()?.unwrap_or_default();
    let writer = NativeForms::new(threads, interrupt.clone(), calibration);
    let plan = ExportPlan {
        checkpoint,
        contract: &contract,
        name: &checkpoint.file_name().unwrap_or_default().to_string_lossy(),
        questions: &questions,
        quantised: wanted(args).map(|(form, within)| QuantisedPlan { form, within, examples: &asked, writer: &writer }),
        threads,
        force: args.force,
        target: out,
    };
    let manifest = if args.without_parity {
        export_without_parity(&plan, args.format.unwrap_or_default(), &interrupt)
    } else {
        export_checkpoint(&plan, &interrupt)
    }?;
    print_exported(out, &manifest);
    Ok(ExitCode::SUCCESS)
}

/// Another form than float32, if one was asked for, and what it may lose.
fn wanted(args: &ExportArgs) -> Option<(Option<Form>, Tolerance)> {
    match (args.format, args.within) {
        (None | Some(WeightFormat::Float32), None) => None,
        (format, within) => Some((format.map(Form::Uniform), within.unwrap_or(Tolerance::ONE_POINT))),
    }
}

/// At most `most` of `examples`, spread over all of them.
fn spread(examples: &[Example], most: usize) -> Vec<Example> {
    let stride = (examples.len() / most.max(1)).max(1);
    examples.iter().step_by(stride).take(most).cloned().collect()
}

fn print_exported(out: &Path, manifest: &Manifest) {
    let exported = format!("exported `{}` as {}", out.display(), manifest.weights);
    let Some(parity) = &manifest.parity else {
        return report::line(&format!("{exported}, not compared with libtorch"));
    };
    report::line(&format!(
        "{exported}; float32: logits within {:.1e} of libtorch at {} positions, {} of {} greedy completions equal",
        parity.max_logit_difference, parity.positions, parity.equal_greedy_completions, parity.prompts
    ));
    if parity.gate.is_some() {
        report::line(&table(parity));
    }
}
