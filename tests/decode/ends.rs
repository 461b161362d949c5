//! How a completion ends: one test per rule.

use std::time::Duration;

use pupil_runtime::backend::scripted::ScriptedBackend;
use pupil_runtime::{
    CancelToken, Engine, Event, GenerateError, Outcome, RationaleExhausted, Request, Solution, Timings,
};

use crate::support::{
    END, PROMPT_END, VOCAB, byte_tokenizer, certain, config, contract, run, student, text_of, writes,
};

const GOOD: &str = " one and one\nmake two\nThe answer is 2";

fn solve(engine: &mut Engine<ScriptedBackend>, request: &Request) -> Solution {
    run(engine, request).1
}

fn answer(solution: &Solution) -> Option<&str> {
    solution.answer.as_ref().map(pupil_models::answer::Answer::text)
}

#[test]
fn the_end_token_ends_it() {
    let solution = solve(&mut writes(contract(), GOOD), &Request::default());
    assert_eq!((solution.outcome, answer(&solution)), (Outcome::Answered, Some("2")));
    assert_eq!(solution.completion, GOOD);
    assert_eq!(solution.usage.completion_tokens, GOOD.len());
    assert_eq!(solution.usage.rationale_tokens, GOOD.len() - " 2".len());
    assert!(solution.confidence.unwrap() > 0.99);
}

#[test]
fn a_stop_text_across_tokens_ends_it_and_is_not_shown() {
    let text = format!("{GOOD}\nQ: another question");
    let (events, solution) = run(&mut writes(contract(), &text), &Request::default());
    assert_eq!((solution.outcome, answer(&solution)), (Outcome::Answered, Some("2")));
    assert_eq!(solution.completion, GOOD);
    assert_eq!(text_of(&events), GOOD);
    assert_eq!(solution.usage.completion_tokens, GOOD.len() + "\nQ:".len(), "nothing is computed after the stop text");
}

#[test]
fn an_exhausted_rationale_forces_an_answer() {
    let request = Request::builder().rationale_tokens(10).build().unwrap();
    let forced = "\nThe answer is";
    let reply = move |done: &[u32]| {
        let text: Vec<u8> = done.iter().map(|&id| id as u8).collect();
        match text.strip_prefix(format!(" I do not {forced}").as_bytes()) {
            Some(answer) => " 42".as_bytes().get(answer.len()).map_or(END, |&byte| byte.into()),
            None => " I do not know how this ends".as_bytes()[done.len()].into(),
        }
    };
    let solution = solve(&mut student(contract(), 4096, reply), &request);
    assert_eq!((solution.outcome, answer(&solution)), (Outcome::Forced, Some("42")));
    assert_eq!(solution.completion, format!(" I do not {forced} 42"));
    assert_eq!(solution.usage.forced_tokens, forced.len());
    assert_eq!(solution.usage.rationale_tokens, 10 + forced.len());
    assert_eq!(solution.usage.answer_tokens, 3);
}

#[test]
fn a_marker_that_is_begun_is_only_completed() {
    let request = Request::builder().rationale_tokens(" so\nThe an".len()).build().unwrap();
    let written = " so\nThe answer is";
    let reply = move |done: &[u32]| match done.len().checked_sub(written.len()) {
        Some(answer) => " 7".as_bytes().get(answer).map_or(END, |&byte| byte.into()),
        None => written.as_bytes()[done.len()].into(),
    };
    let solution = solve(&mut student(contract(), 4096, reply), &request);
    assert_eq!((solution.outcome, answer(&solution)), (Outcome::Forced, Some("7")));
    assert_eq!(solution.usage.forced_tokens, "swer is".len());
}

#[test]
fn an_exhausted_rationale_can_truncate_instead() {
    let builder = Request::builder().rationale_tokens(6).on_rationale_exhausted(RationaleExhausted::Truncate);
    let solution = solve(&mut writes(contract(), GOOD), &builder.build().unwrap());
    assert_eq!((solution.outcome, answer(&solution)), (Outcome::Truncated, None));
    assert_eq!(solution.completion, " one a");
    assert_eq!(solution.steps[0].text, "one a");
}

#[test]
fn an_exhausted_answer_truncates_and_is_not_taken_for_an_answer() {
    let request = Request::builder().answer_tokens(3).build().unwrap();
    let solution = solve(&mut writes(contract(), &format!("{GOOD}345")), &request);
    assert_eq!((solution.outcome, answer(&solution)), (Outcome::Truncated, None));
    assert_eq!(solution.completion, format!("{GOOD}3"));
    assert_eq!(solution.confidence, None);
}

#[test]
fn a_full_context_truncates() {
    let prompt = "Q: 1 + 1?\nA:".len();
    let solution = solve(&mut student(contract(), prompt + 12, |_| b'x'.into()), &Request::default());
    assert_eq!(solution.outcome, Outcome::Truncated);
    assert_eq!(solution.usage.completion_tokens, 12);
    assert_eq!(solution.usage.budget_tokens, 12);
}

#[test]
fn a_prompt_that_fills_the_context_is_refused_with_all_counts() {
    let prompt = "Q: 1 + 1?\nA:".len();
    let mut engine = student(contract(), prompt, |_| END);
    let error = engine.stream("1 + 1?", &Request::default()).unwrap_err();
    assert!(matches!(
        error,
        GenerateError::ContextExceeded { prompt_tokens, budget: 640, context } if prompt_tokens == prompt && context == prompt
    ));
}

#[test]
fn every_period_of_repetition_is_stopped() {
    for period in 1..=64usize {
        let solution = solve(
            &mut student(contract(), 4096, move |done| (b'0' as usize + done.len() % period) as u32),
            &Request::default(),
        );
        assert_eq!(solution.outcome, Outcome::Repetition, "period {period}");
        assert_eq!(solution.usage.completion_tokens, (4 * period).max(64), "period {period}");
        assert_eq!(answer(&solution), None);
    }
}

#[test]
fn no_marker_abstains() {
    let solution = solve(&mut writes(contract(), " I do not know 5"), &Request::default());
    assert_eq!((solution.outcome, answer(&solution)), (Outcome::Abstained, None));
    assert_eq!(solution.steps.len(), 1);
}

#[test]
fn nothing_after_the_marker_abstains() {
    let solution = solve(&mut writes(contract(), " one\nThe answer is "), &Request::default());
    assert_eq!((solution.outcome, answer(&solution)), (Outcome::Abstained, None));
}

#[test]
fn without_a_marker_the_completion_is_the_answer() {
    let solution = solve(&mut writes(contract().without_rationale(), " 2"), &Request::default());
    assert_eq!((solution.outcome, answer(&solution)), (Outcome::Answered, Some("2")));
    assert_eq!((solution.usage.rationale_tokens, solution.usage.answer_tokens), (0, 2));
    assert!(solution.steps.is_empty());
}

#[test]
fn cancelling_at_any_token_leaves_the_next_request_unchanged() {
    let timeless = |mut solution: Solution| {
        solution.timings = Timings::default();
        solution.steps.iter_mut().for_each(|step| step.elapsed = Duration::ZERO);
        solution
    };
    let expected = timeless(solve(&mut writes(contract(), GOOD), &Request::default()));
    let mut engine = writes(contract(), GOOD);
    for stop_after in 0..GOOD.len() {
        let cancel = CancelToken::new();
        let request = Request::builder().cancel_token(cancel.clone()).build().unwrap();
        let mut generation = engine.stream("1 + 1?", &request).unwrap();
        while generation.token_ids().len() < stop_after {
            generation.next().unwrap().unwrap();
        }
        let written = generation.token_ids().len();
        cancel.cancel();
        let Some(Event::Finished(cancelled)) = generation.map(Result::unwrap).last() else { panic!("no end") };
        assert_eq!((cancelled.outcome, answer(&cancelled)), (Outcome::Cancelled, None));
        assert_eq!(cancelled.completion, GOOD[..written]);
        assert_eq!(timeless(solve(&mut engine, &Request::default())), expected);
    }
}

#[test]
fn a_long_prompt_is_cancelled_between_its_parts() {
    let cancel = CancelToken::new();
    let request = Request::builder().cancel_token(cancel.clone()).build().unwrap();
    let question = "why? ".repeat(400);
    let trigger = cancel.clone();
    let backend = ScriptedBackend::new(VOCAB, move |seen| {
        assert!(seen.len() <= 256, "the second part was computed after the cancellation");
        trigger.cancel();
        certain(END)
    });
    let mut engine = Engine::with_backend(config(4096), contract(), byte_tokenizer(), backend);
    let solution = engine.solve(&question, &request).unwrap();
    assert_eq!((solution.outcome, solution.usage.completion_tokens), (Outcome::Cancelled, 0));
    assert_eq!(solution.usage.prompt_tokens, "Q: ".len() + question.trim().len() + PROMPT_END.len());
}

#[test]
fn a_time_limit_truncates() {
    let request = Request::builder().time_limit(Duration::ZERO).build().unwrap();
    assert_eq!(solve(&mut writes(contract(), GOOD), &request).outcome, Outcome::Truncated);
}

#[test]
fn logits_that_are_not_finite_are_an_error_and_no_token() {
    for bad in [f32::NAN, f32::INFINITY] {
        let backend = ScriptedBackend::new(VOCAB, move |seen| {
            let mut logits = certain(b'a'.into());
            if seen.len() == "Q: 1 + 1?\nA:".len() + 3 {
                logits[17] = bad;
            }
            logits
        });
        let mut engine = Engine::with_backend(config(4096), contract(), byte_tokenizer(), backend);
        let mut events: Vec<_> = engine.stream("1 + 1?", &Request::default()).unwrap().collect();
        let error = events.pop().unwrap().unwrap_err();
        assert!(matches!(error, GenerateError::NonFinite { position: 14, .. }), "{error}");
        let events: Vec<Event> = events.into_iter().map(Result::unwrap).collect();
        assert_eq!(text_of(&events), "aaa");
    }
}
