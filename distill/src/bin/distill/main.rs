//! `distill`: teaches a student to reason step by step, from rationales to a bundle.

mod args;
mod batch;
mod compare;
mod demo;
mod evaluate;
mod exclusions;
mod filter;
mod grade;
mod merge;
mod random_student;
mod rationales;
mod render;
mod report;
mod run;
mod status;
mod store_path;
mod sweep;
mod teach;

use std::process::ExitCode;

use clap::Parser;
use pupil_distill::eval::EvalError;
use pupil_distill::export::ExportError;
use pupil_distill::pipeline::PipelineError;
use pupil_distill::random_student::RandomStudentError;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    match dispatch(&args) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => report_error(&error),
    }
}

fn dispatch(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Run(run) => run::through_all(run),
        Command::Teach(run) => teach::teach(run),
        Command::Filter(run) => filter::filter(run),
        Command::Samples(samples) => run::samples(samples),
        Command::Train(run) => run::through(run, pupil_distill::pipeline::StageName::Train),
        Command::Export(export) => run::export(export),
        Command::Eval(eval) => evaluate::evaluate(eval),
        Command::Exclude(exclude) => exclusions::write(exclude),
        Command::Grade(args) => grade::grade(args),
        Command::Status(args) => status::status(args),
        Command::Merge(args) => merge::merge(args),
        Command::Rationales(args) => rationales::rationales(args),
        Command::Batch(args) => batch::batch(args),
        Command::Sweep(args) => sweep::sweep(args),
        Command::Compare(args) => compare::compare(args),
        Command::Report(args) => render::render(args),
        Command::RandomStudent(args) => random_student::random_student(args),
        Command::Demo(demo) => demo::demo(demo),
    }
}

/// Prints the error with its causes and, where there is one, what mends it.
fn report_error(error: &anyhow::Error) -> ExitCode {
    if is_interruption(error) {
        report::line(&error.chain().last().map(ToString::to_string).unwrap_or_default());
        return ExitCode::from(130);
    }
    report::line(&format!("error: {error}"));
    for cause in error.chain().skip(1) {
        report::line(&format!("  because: {cause}"));
    }
    if let Some(hint) = report::hint(error) {
        report::line(&format!("hint: {hint}"));
    }
    let is_budget = error.downcast_ref().is_some_and(PipelineError::is_budget);
    ExitCode::from(if is_budget { 3 } else { 2 })
}

fn is_interruption(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(PipelineError::is_interruption)
        || matches!(error.downcast_ref(), Some(EvalError::Interrupted { .. }))
        || matches!(error.downcast_ref(), Some(ExportError::Interrupted))
        || matches!(error.downcast_ref(), Some(RandomStudentError::Interrupted))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_pipe = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(is_pipe))
}
