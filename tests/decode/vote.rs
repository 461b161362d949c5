//! Several rationales for one question: the same as one by one, counted.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use pupil_models::answer::Answer;
use pupil_runtime::backend::BackendError;
use pupil_runtime::backend::scripted::ScriptedBackend;
use pupil_runtime::{Ballot, Engine, GenerateError, Outcome, RationaleExhausted, Request, Vote};

use crate::support::{END, VOCAB, byte_tokenizer, certain, completion, config, contract, fixture};

fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

fn ballot(rationales: usize, rows: usize) -> Ballot {
    Ballot { rows: Some(count(rows)), ..Ballot::new(count(rationales)) }
}

fn sampled(seed: u64) -> Request {
    Request::builder().temperature(1.0).seed(seed).build().unwrap()
}

/// A student that begins with one of three letters, reasons longer after some than after others, and answers accordingly.
fn undecided() -> Engine<ScriptedBackend> {
    let backend = ScriptedBackend::new(VOCAB, |seen| {
        let written = completion(seen);
        let Some(&first) = written.first() else {
            let mut logits = vec![-30.0; VOCAB];
            for (letter, probability) in [(b'a', 0.5f32), (b'b', 0.3), (b'c', 0.2)] {
                logits[usize::from(letter)] = probability.ln();
            }
            return logits;
        };
        let steps = "\nand so on".repeat(first as usize - usize::from(b'a'));
        let text = format!("{steps}\nThe answer is {}", char::from(first as u8).to_uppercase());
        certain(text.as_bytes().get(written.len() - 1).map_or(END, |&byte| byte.into()))
    });
    Engine::with_backend(config(4096), contract(), byte_tokenizer(), backend)
}

fn answers(vote: &Vote) -> Vec<(&str, usize)> {
    vote.candidates.iter().map(|candidate| (candidate.answer.text(), candidate.votes)).collect()
}

#[test]
fn rationales_are_those_of_single_questions_with_the_same_seeds() {
    let mut engine = undecided();
    let question = "?".repeat(700); // longer than what is read at once
    let alone: Vec<_> = (0..12).map(|seed| engine.solve(&question, &sampled(5 + seed)).unwrap().completion).collect();
    for rows in [1, 5, 12] {
        let vote = engine.vote(&question, &sampled(5), &ballot(12, rows)).unwrap();
        assert_eq!((vote.asked, vote.rows), (12, rows));
        // Rationales are taken in order and those that missed could not have changed the result.
        let mut left = alone.clone();
        for solution in &vote.solutions {
            let place = left.iter().position(|text| *text == solution.completion).unwrap();
            left.swap_remove(place);
        }
        let votes = ["A", "B", "C"].map(|letter| alone.iter().filter(|text| text.ends_with(letter)).count());
        let winner = vote.answer.as_ref().map(Answer::text).unwrap();
        let winners = alone.iter().filter(|text| text.ends_with(winner)).count();
        assert_eq!(Some(&winners), votes.iter().max(), "{:?}", answers(&vote));
        assert_eq!(vote.best().unwrap().answer, vote.answer);
    }
}

#[test]
fn a_vote_stops_once_its_result_is_certain() {
    let mut engine = undecided();
    let whole = engine.vote("?", &sampled(0), &ballot(40, 4)).unwrap();
    let certain = Ballot { certainty: Some(0.8), ..ballot(40, 4) };
    let stopped = engine.vote("?", &sampled(0), &certain).unwrap();
    assert!(stopped.solutions.len() < whole.solutions.len() && whole.solutions.len() <= 40);
    let begins_alike =
        stopped.solutions.iter().zip(&whole.solutions).all(|(left, right)| left.completion == right.completion);
    assert!(begins_alike, "certainty changes when a vote stops, not how it goes");
}

#[test]
fn what_makes_no_vote_is_refused() {
    let mut engine = undecided();
    let setting = |result: Result<Vote, GenerateError>| match result.unwrap_err() {
        GenerateError::Request(error) => error.setting,
        other => panic!("{other}"),
    };
    assert_eq!(setting(engine.vote("?", &Request::default(), &ballot(3, 3))), "sampling");
    for certainty in [0.5, 1.0, f64::NAN] {
        let uncertain = Ballot { certainty: Some(certainty), ..ballot(3, 3) };
        assert_eq!(setting(engine.vote("?", &sampled(0), &uncertain)), "certainty");
    }
}

#[test]
fn a_cancelled_vote_says_so_and_time_is_for_the_vote_as_a_whole() {
    let mut engine = undecided();
    for question in ["?".to_owned(), "?".repeat(900)] {
        let request = sampled(0);
        request.cancel_token().cancel();
        let vote = engine.vote(&question, &request, &ballot(3, 2)).unwrap();
        assert!(vote.is_cancelled() && vote.answer.is_none());
        let request = Request::builder().temperature(1.0).time_limit(Duration::ZERO).build().unwrap();
        let vote = engine.vote(&question, &request, &ballot(3, 2)).unwrap();
        assert!(!vote.is_cancelled() && vote.solutions.iter().all(|solution| solution.outcome == Outcome::Truncated));
    }
}

#[test]
fn a_limit_of_the_cache_takes_rows_and_at_last_refuses() {
    let mut engine = undecided();
    let free = engine.vote("?", &sampled(1), &ballot(8, 8)).unwrap();
    let row = free.cache_bytes - engine.cache_bytes();
    engine.limit_cache(engine.cache_bytes() + row / 2);
    let narrow = engine.vote("?", &sampled(1), &ballot(8, 8)).unwrap();
    assert_eq!((free.rows, narrow.rows, &narrow.answer), (8, 4, &free.answer));
    assert!(narrow.cache_bytes < free.cache_bytes);
    engine.limit_cache(engine.cache_bytes() + 1);
    let refused = engine.vote("?", &sampled(1), &ballot(8, 8)).unwrap_err();
    assert!(matches!(refused, GenerateError::Backend(BackendError::CacheLimit { .. })), "{refused}");
    engine.limit_cache(1);
    let refused = engine.solve(&"?".repeat(2000), &Request::default()).unwrap_err();
    assert_eq!(refused.code(), "E_CAPACITY");
}

#[test]
fn logits_that_are_no_numbers_end_the_vote() {
    let backend = ScriptedBackend::new(VOCAB, |_| vec![f32::NAN; VOCAB]);
    let mut engine = Engine::with_backend(config(4096), contract(), byte_tokenizer(), backend);
    let error = engine.vote("?", &sampled(0), &ballot(3, 2)).unwrap_err();
    assert!(matches!(error, GenerateError::NonFinite { .. }), "{error}");
}

/// The completions of six seeds, alone and voted on in so many rows. None is long enough for an answer, so no vote is decided
/// early.
fn compare(engine: &mut Engine, question: &str) {
    let request = |seed| {
        let request = Request::builder().temperature(2.0).seed(seed).rationale_tokens(20);
        request.on_rationale_exhausted(RationaleExhausted::Truncate).build().unwrap()
    };
    let mut alone: Vec<String> =
        (0..6).map(|seed| engine.solve(question, &request(seed)).unwrap().completion).collect();
    alone.sort_unstable();
    for rows in [1, 3, 8] {
        let vote = engine.vote(question, &request(0), &ballot(6, rows)).unwrap();
        let mut together: Vec<String> = vote.solutions.into_iter().map(|solution| solution.completion).collect();
        together.sort_unstable();
        assert_eq!(together, alone, "{rows} rows");
    }
}

#[test]
fn forked_rows_go_on_where_the_prompt_ended() {
    let Some(fixture) = fixture() else { return };
    // Prompts end at every place of a group of sixteen positions, in which the native attention keeps its keys.
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic");
    for bundle in [fixture, shipped] {
        let mut engine = Engine::open(bundle).unwrap();
        for letters in 1..=17 {
            compare(&mut engine, &"x".repeat(letters));
        }
    }
}

#[test]
fn the_shipped_student_votes_as_it_answers() {
    if fixture().is_none() {
        return;
    }
    let mut engine = Engine::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic")).unwrap();
    for names in ["Ada Ben", "Ada Ben Cleo", "Ada Ben Cleo Dan Eva"] {
        let question = format!("Take the last letters of each words in \"{names}\" and concatenate them.");
        let request = Request::builder().temperature(0.7).build().unwrap();
        let alone = engine.solve(&question, &Request::default()).unwrap();
        let vote = engine.vote(&question, &request, &ballot(5, 5)).unwrap();
        assert_eq!(vote.answer, alone.answer);
        assert!(vote.agreement > 0.5 && vote.solutions.len() >= 3);
        assert!(vote.cache_bytes > 0);
    }
}
