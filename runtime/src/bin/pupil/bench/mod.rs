//! `pupil bench`: what the machine could do at most, and what the student does on it.
//!
//! First the ceiling ([`ceiling`]), then loads, a whole question, prompts and contexts of fixed length, and fresh processes;
//! on request minutes of decoding. Every measurement is a [`row::Row`] with the digest of what was answered, so that two
//! runs can be seen to have done equal work.

mod ceiling;
mod chart;
mod compare;
mod csv;
mod decoding;
mod figure;
mod html;
mod load;
mod machine;
mod plan;
mod question;
mod report;
mod row;
mod soak;
mod start;
mod synthetic;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use pupil_models::bundle::Bundle;

use crate::args::Bench;
use crate::output;
use machine::sensors;
use plan::BenchPlan;
use report::Report;

pub(crate) use decoding::{most_probable, synthetic_prompt};
pub(crate) use figure::{Figure, median};
pub(crate) use start::probe;

pub(crate) fn run(arguments: &Bench) -> anyhow::Result<ExitCode> {
    if let Some([before, after]) = arguments.compare.as_deref() {
        return compare::run(before, after, arguments.json);
    }
    let plan = BenchPlan::new(arguments)?;
    let report = measure(&plan)?;
    print(arguments, &report)?;
    if let Some(path) = &arguments.html {
        pupil_models::durable::write(path, html::page(&report).as_bytes()).context("cannot write the page")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The load of the machine before anything is measured, if it is not quiet.
pub(crate) fn load_of_others() -> Option<f64> {
    // Half a core's worth of others is already more than what most differences are about.
    sensors::load_average().filter(|load| *load > 0.5)
}

fn measure(plan: &BenchPlan<'_>) -> anyhow::Result<Report> {
    let bundle = Bundle::open(&plan.folder)?;
    let mut report = Report::new(plan, &bundle)?;
    let cores = report.conditions.cores;
    if let Some(load) = load_of_others() {
        report.note(format!("the machine was not quiet: a load of {load} on {cores} cores when the bench began"));
    }
    ceiling::measure(plan, &bundle, &mut report);
    drop(bundle);
    load::measure(plan, &mut report)?;
    question::measure(plan, &mut report)?;
    synthetic::measure(plan, &mut report)?;
    start::measure(plan, &mut report)?;
    if let Some(length) = plan.soak {
        soak::measure(plan, length, &mut report)?;
    }
    Ok(report)
}

fn print(arguments: &Bench, report: &Report) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if !arguments.json && !arguments.csv {
        out.write_all(table::text(report).as_bytes())?;
        return Ok(());
    }
    if arguments.csv {
        out.write_all(csv::text(report).as_bytes())?;
    } else {
        report.rows.iter().try_for_each(|row| output::json_line(&mut out, row))?;
    }
    // What is not a number has no place between the rows.
    report.notes.iter().try_for_each(|note| writeln!(io::stderr(), "note: {note}"))?;
    Ok(())
}
