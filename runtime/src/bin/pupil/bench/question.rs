//! A question, answered greedily by the engine.

use std::time::Duration;

use pupil_models::bundle::Bundle;
use pupil_runtime::{Engine, Event, GenerateError, Request, Solution, TokenId};

use super::decoding;
use super::figure::Figure;
use super::plan::BenchPlan;
use super::report::{About, Report};
use super::row::Measurement;

/// One of the times of a solution.
type Time = fn(&Solution) -> Option<Duration>;

pub(super) fn measure(plan: &BenchPlan<'_>, report: &mut Report) -> anyhow::Result<()> {
    let bundle = Bundle::open(&plan.folder)?;
    let mut engine = Engine::open_with(&bundle, &plan.options)?;
    let mut answers: Vec<(Solution, Vec<TokenId>)> = Vec::new();
    for counts in plan.rounds() {
        let answer = answer(&mut engine, plan.question)?;
        answers.extend(Some(answer).filter(|_| counts));
    }
    let Some((solution, ids)) = answers.first() else { return Ok(()) };
    if answers.iter().any(|(_, others)| others != ids) {
        report.note("the question was NOT answered the same in all runs");
    }
    let about = About {
        prompt_tokens: Some(solution.usage.prompt_tokens),
        tokens: Some(solution.usage.completion_tokens),
        answer: Some(decoding::digest(ids)),
        ..About::default()
    };
    let times: [(Measurement, Time); 4] = [
        (Measurement::TimeToFirstToken, |solution| solution.timings.time_to_first_token),
        (Measurement::TimePerOutputToken, |solution| solution.timings.time_per_output_token),
        (Measurement::TimeToFirstStep, |solution| solution.timings.time_to_first_step),
        (Measurement::TimeToAnswer, |solution| solution.timings.time_to_answer),
    ];
    for (measurement, time) in times {
        let milliseconds = answers.iter().filter_map(|(solution, _)| Some(time(solution)?.as_secs_f64() * 1e3));
        report.add(measurement, "ms", Figure::of(milliseconds), about);
    }
    let rate = |solution: &Solution| solution.usage.completion_tokens as f64 / solution.timings.total.as_secs_f64();
    report.add(
        Measurement::AnswerRate,
        "tokens/s",
        Figure::of(answers.iter().map(|(solution, _)| rate(solution))),
        about,
    );
    if solution.answer.is_none() {
        report.note(format!("the question has no answer: {:?} after its tokens", solution.outcome));
    }
    Ok(())
}

fn answer(engine: &mut Engine, question: &str) -> Result<(Solution, Vec<TokenId>), GenerateError> {
    let mut generation = engine.stream(question, &Request::default())?;
    loop {
        match generation.next() {
            Some(Ok(Event::Finished(solution))) => return Ok((solution, generation.token_ids())),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error),
            // The last event is always the end, so there is nothing to wait for.
            None => return Err(GenerateError::EmptyPrompt),
        }
    }
}
