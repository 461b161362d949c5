//! What a stream reports.

use proptest::prelude::*;

use pupil_runtime::{Event, Request};

use crate::support::{END, contract, run, student, text_of, writes};

fn steps(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| if let Event::Step(step) = event { Some(step.text.as_str()) } else { None })
        .collect()
}

#[test]
fn the_prefill_comes_first_and_the_end_last_and_once() {
    let (events, _) = run(&mut writes(contract(), " a\nb\nThe answer is c"), &Request::default());
    assert_eq!(events[0], Event::Prefilled { prompt_tokens: "Q: 1 + 1?\nA:".len() });
    let ends = events.iter().filter(|event| matches!(event, Event::Finished(_))).count();
    assert_eq!(ends, 1);
}

#[test]
fn steps_come_as_soon_as_they_are_certain_with_their_tokens() {
    let (events, solution) = run(&mut writes(contract(), " first\nsecond one\nThe answer is c"), &Request::default());
    assert_eq!(steps(&events), ["first", "second one"]);
    // The line end of the first step belongs to what follows it.
    assert_eq!(solution.steps.iter().map(|step| step.tokens).collect::<Vec<_>>(), [6, 11]);
    let first_step = events.iter().position(|event| matches!(event, Event::Step(_))).unwrap();
    assert!(text_of(&events[..first_step]).len() < " first\nse".len() + 1, "known once `\\ns` cannot be the marker");
    assert!(solution.steps.iter().all(|step| step.mean_logprob > -0.01 && step.mean_logprob <= 0.0));
    assert!(solution.timings.time_to_first_step <= solution.timings.time_to_answer);
}

#[test]
fn characters_of_several_tokens_are_never_torn() {
    let (events, solution) = run(&mut writes(contract(), " 🦊 é\nThe answer is ü"), &Request::default());
    assert_eq!(text_of(&events), " 🦊 é\nThe answer is ü");
    assert!(!text_of(&events).contains('\u{FFFD}'));
    assert_eq!(solution.answer.unwrap().text(), "ü");
}

#[test]
fn a_character_cut_by_the_budget_becomes_one_replacement_at_the_end() {
    let contract = contract().without_rationale();
    let request = Request::builder().answer_tokens(3).build().unwrap();
    let (events, solution) = run(&mut writes(contract, "🦊"), &request);
    assert_eq!(solution.completion, "\u{FFFD}");
    assert_eq!(text_of(&events), solution.completion);
}

#[test]
fn equal_seeds_give_equal_completions() {
    use pupil_runtime::Engine;
    use pupil_runtime::backend::scripted::ScriptedBackend;
    let flat = || {
        let backend = ScriptedBackend::new(crate::support::VOCAB, |_| {
            (0..257).map(|id| if (97..123).contains(&id) { 9.0 } else { 0.0 }).collect()
        });
        Engine::with_backend(crate::support::config(4096), contract(), crate::support::byte_tokenizer(), backend)
    };
    let write = |seed| {
        let request = Request::builder().seed(seed).rationale_tokens(40).answer_tokens(5).build().unwrap();
        flat().solve("1 + 1?", &request).unwrap().completion
    };
    assert_eq!(write(5), write(5));
    assert_ne!(write(5), write(6));
}

proptest! {
    #[test]
    fn text_events_concatenate_to_the_completion(bytes in proptest::collection::vec(any::<u8>(), 0..80), stop in 0usize..80) {
        let tokens = bytes.clone();
        let mut engine = student(contract(), 4096, move |done| {
            if done.len() == stop { END } else { tokens.get(done.len()).map_or(END, |&byte| byte.into()) }
        });
        let (events, solution) = run(&mut engine, &Request::default());
        prop_assert_eq!(text_of(&events), solution.completion.as_str());
        let written = &bytes[..stop.min(bytes.len())];
        prop_assert_eq!(solution.completion, String::from_utf8_lossy(written));
    }
}
