//! `pupil solve`: steps as they come, then the answer.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use pupil_models::bundle::Bundle;
use pupil_runtime::{CancelToken, Engine, Event, Outcome, Request, Solution};
use serde::Serialize;
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use crate::args::Solve;
use crate::output::{json_line, printable, styled};
use crate::plan::{self, SolvePlan};

/// Exit status when no answer was reached.
const NO_ANSWER: u8 = 1;
/// Exit status after Ctrl-C.
const INTERRUPTED: u8 = 130;

const BOLD: u8 = 1;
const DIM: u8 = 2;

pub(crate) fn run(arguments: &Solve) -> anyhow::Result<ExitCode> {
    let plan = SolvePlan::new(arguments)?;
    let cancel = CancelToken::new();
    let request = plan::request(arguments, cancel.clone())?;
    let bundle = Bundle::open(&plan.bundle)?;
    let mut engine = Engine::open_with(&bundle, &plan::engine_options(&arguments.engine))?;
    cancel_on_interrupt(&cancel)?;
    let mut reached = true;
    for (index, question) in plan.questions.iter().enumerate() {
        let heading = (plan.questions.len() > 1).then_some((index, question.as_str()));
        let outcome = if arguments.json {
            print_events(&mut engine, question, &request, heading.map(|(index, _)| index))?
        } else {
            print_steps(&mut engine, question, &request, heading)?
        };
        if outcome == Outcome::Cancelled {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        reached &= outcome.is_answer();
    }
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::from(NO_ANSWER) })
}

/// The first Ctrl-C cancels the generation, the second ends the process.
fn cancel_on_interrupt(cancel: &CancelToken) -> anyhow::Result<()> {
    // Registered first, so that it sees the flag as it was before this Ctrl-C.
    flag::register_conditional_shutdown(SIGINT, i32::from(INTERRUPTED), cancel.flag())
        .and_then(|_| flag::register(SIGINT, Arc::clone(&cancel.flag())))
        .context("cannot handle Ctrl-C")?;
    Ok(())
}

/// An event of one of several questions.
#[derive(Serialize)]
struct NumberedEvent<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<usize>,
    #[serde(flatten)]
    event: &'e Event,
}

fn print_events(
    engine: &mut Engine,
    question: &str,
    request: &Request,
    index: Option<usize>,
) -> anyhow::Result<Outcome> {
    let mut out = io::stdout().lock();
    let mut outcome = Outcome::Cancelled;
    for event in engine.stream(question, request)? {
        let event = event?;
        json_line(&mut out, &NumberedEvent { question: index, event: &event })?;
        if let Event::Finished(solution) = event {
            outcome = solution.outcome;
        }
    }
    Ok(outcome)
}

fn print_steps(
    engine: &mut Engine,
    question: &str,
    request: &Request,
    heading: Option<(usize, &str)>,
) -> anyhow::Result<Outcome> {
    let mut out = io::stdout().lock();
    if let Some((index, question)) = heading {
        let gap = if index > 0 { "\n" } else { "" };
        writeln!(out, "{gap}{}", styled(&printable(question), DIM))?;
    }
    let mut outcome = Outcome::Cancelled;
    for event in engine.stream(question, request)? {
        match event? {
            Event::Step(step) => {
                writeln!(out, "{} {}", styled(&format!("{:>3}", step.index + 1), DIM), printable(&step.text))?;
                out.flush()?;
            }
            Event::Finished(solution) => {
                if let Some(answer) = &solution.answer {
                    writeln!(out, "{}", styled(&format!("Answer: {}", printable(answer.text())), BOLD))?;
                }
                summarise(&solution)?;
                outcome = solution.outcome;
            }
            _ => {}
        }
    }
    Ok(outcome)
}

/// One line about how it went, on the standard error.
fn summarise(solution: &Solution) -> io::Result<()> {
    let how = match solution.outcome {
        Outcome::Answered => "answered",
        Outcome::Forced => "answered when its tokens for reasoning were used up",
        Outcome::Truncated => "no answer: tokens or time were used up",
        Outcome::Repetition => "no answer: the student repeated itself",
        Outcome::Abstained => "no answer: the student ended without one",
        Outcome::Cancelled => "cancelled",
        _ => "ended",
    };
    let confidence = solution.confidence.map(|confidence| format!(", confidence {:.0} %", confidence * 100.0));
    writeln!(
        io::stderr(),
        "({how}{}; {} tokens in {:.2} s)",
        confidence.unwrap_or_default(),
        solution.usage.completion_tokens,
        solution.timings.total.as_secs_f64()
    )
}
