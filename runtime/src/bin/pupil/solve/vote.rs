//! A question that several rationales are written for.

use std::io::{self, Write};
use std::time::Instant;

use pupil_runtime::{Ballot, Engine, Request, Vote};
use serde::Serialize;

use super::{End, Numbered, print_answer, print_step};
use crate::output::{json_line, printable};

/// The line that JSON readers get.
#[derive(Serialize)]
#[serde(tag = "event", rename = "voted")]
struct Voted<'v> {
    #[serde(flatten)]
    vote: &'v Vote,
}

/// Holds the vote and prints it: with `json` as one line, with the question's number if there are several.
#[expect(clippy::option_option, reason = "whether JSON is wanted, and if so whether questions are numbered")]
pub(super) fn hold(
    engine: &mut Engine,
    question: &str,
    request: &Request,
    ballot: &Ballot,
    json: Option<Option<usize>>,
) -> anyhow::Result<End> {
    let started = Instant::now();
    let vote = engine.vote(question, request, ballot)?;
    let mut out = io::stdout().lock();
    if let Some(number) = json {
        json_line(&mut out, &Numbered { question: number, event: &Voted { vote: &vote } })?;
    } else {
        print(&mut out, &vote)?;
        writeln!(io::stderr(), "({}; {:.2} s)", summary(&vote), started.elapsed().as_secs_f64())?;
    }
    Ok(match &vote.answer {
        _ if vote.is_cancelled() => End::Cancelled,
        Some(_) => End::Answer,
        None => End::NoAnswer,
    })
}

fn print(out: &mut impl Write, vote: &Vote) -> io::Result<()> {
    let Some((best, answer)) = vote.best().zip(vote.answer.as_ref()) else { return Ok(()) };
    best.steps.iter().try_for_each(|step| print_step(out, step))?;
    print_answer(out, answer)
}

fn summary(vote: &Vote) -> String {
    let finished = vote.solutions.len();
    let counts: Vec<String> = vote
        .candidates
        .iter()
        .map(|candidate| format!("{} for {}", candidate.votes, printable(candidate.answer.text())))
        .collect();
    let answered: usize = vote.candidates.iter().map(|candidate| candidate.votes).sum();
    let counts = if counts.is_empty() { "no answer".to_owned() } else { counts.join(", ") };
    let rest = if answered < finished { format!(", {} without an answer", finished - answered) } else { String::new() };
    let tokens: usize = vote.solutions.iter().map(|solution| solution.usage.completion_tokens).sum();
    format!("{finished} of {} rationales: {counts}{rest}; {tokens} tokens", vote.asked)
}
