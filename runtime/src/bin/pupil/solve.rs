//! `pupil solve`: steps as they come, then the answer.

mod vote;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use pupil_models::answer::Answer;
use pupil_models::bundle::Bundle;
use pupil_runtime::{CancelToken, Engine, Event, Outcome, Request, Solution, Step};
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
    if let Some(mebibytes) = arguments.cache_limit {
        engine.limit_cache(mebibytes.get().saturating_mul(1 << 20));
    }
    let ballot = plan::ballot(arguments);
    let mut reached = true;
    for (index, question) in plan.questions.iter().enumerate() {
        let number = (plan.questions.len() > 1).then_some(index);
        if let Some(number) = number.filter(|_| !arguments.json) {
            heading(number, question)?;
        }
        let end = match &ballot {
            Some(ballot) => vote::hold(&mut engine, question, &request, ballot, arguments.json.then_some(number))?,
            None if arguments.json => End::of(print_events(&mut engine, question, &request, number)?),
            None => End::of(print_steps(&mut engine, question, &request)?),
        };
        match end {
            End::Cancelled => return Ok(ExitCode::from(INTERRUPTED)),
            End::Answer => {}
            End::NoAnswer => reached = false,
        }
    }
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::from(NO_ANSWER) })
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answer,
    NoAnswer,
    Cancelled,
}

impl End {
    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Cancelled => Self::Cancelled,
            outcome if outcome.is_answer() => Self::Answer,
            _ => Self::NoAnswer,
        }
    }
}

fn heading(number: usize, question: &str) -> io::Result<()> {
    let gap = if number > 0 { "\n" } else { "" };
    writeln!(io::stdout(), "{gap}{}", styled(&printable(question), DIM))
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
struct Numbered<'e, E> {
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<usize>,
    #[serde(flatten)]
    event: &'e E,
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
        json_line(&mut out, &Numbered { question: index, event: &event })?;
        if let Event::Finished(solution) = event {
            outcome = solution.outcome;
        }
    }
    Ok(outcome)
}

fn print_steps(engine: &mut Engine, question: &str, request: &Request) -> anyhow::Result<Outcome> {
    let mut out = io::stdout().lock();
    let mut outcome = Outcome::Cancelled;
    for event in engine.stream(question, request)? {
        match event? {
            Event::Step(step) => print_step(&mut out, &step)?,
            Event::Finished(solution) => {
                if let Some(answer) = &solution.answer {
                    print_answer(&mut out, answer)?;
                }
                summarise(&solution)?;
                outcome = solution.outcome;
            }
            _ => {}
        }
    }
    Ok(outcome)
}

fn print_step(out: &mut impl Write, step: &Step) -> io::Result<()> {
    writeln!(out, "{} {}", styled(&format!("{:>3}", step.index + 1), DIM), printable(&step.text))?;
    out.flush()
}

fn print_answer(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    writeln!(out, "{}", styled(&format!("Answer: {}", printable(answer.text())), BOLD))
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
