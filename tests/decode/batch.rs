//! Many questions at once: the same answers as one by one.

use std::num::NonZeroUsize;
use std::path::Path;

use pupil_models::bundle::Bundle;
use pupil_runtime::backend::Backend;
use pupil_runtime::{Engine, GenerateError, Outcome, Question, Request, Solution};

use crate::support::{contract, fixture, student};

fn question(text: impl Into<String>) -> Question {
    Question { text: text.into(), request: Request::default() }
}

fn rows(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// The solutions in the order of the questions, and the order in which they were finished.
fn solve<B: Backend>(
    engine: &mut Engine<B>,
    questions: &[Question],
    count: usize,
) -> (Vec<Result<Solution, GenerateError>>, Vec<usize>) {
    let mut solutions: Vec<_> = questions.iter().map(|_| None).collect();
    let mut order = Vec::new();
    let finished = |index: usize, solution| {
        assert!(solutions[index].replace(solution).is_none(), "question {index} is finished once");
        order.push(index);
    };
    engine.solve_batch(questions, rows(count), finished).unwrap();
    (solutions.into_iter().map(Option::unwrap).collect(), order)
}

/// Everything of a solution but its times.
fn essence(solution: &Solution) -> (String, Outcome, usize, Option<u32>) {
    let confidence = solution.confidence.map(f32::to_bits);
    (solution.completion.clone(), solution.outcome, solution.usage.completion_tokens, confidence)
}

#[test]
fn answers_are_those_of_single_questions_and_rows_are_refilled() {
    let mut engine = student(contract(), 4096, |done| {
        let text = b" one\n two\n three\nThe answer is 3";
        text.get(done.len()).map_or(crate::support::END, |&byte| byte.into())
    });
    let questions: Vec<Question> = (0..7).map(|count| question("q".repeat(30 * count + 1))).collect();
    let alone: Vec<Solution> = questions.iter().map(|q| engine.solve(&q.text, &q.request).unwrap()).collect();
    for count in [1, 3, 16] {
        let (together, order) = solve(&mut engine, &questions, count);
        for (left, right) in alone.iter().zip(&together) {
            assert_eq!(essence(left), essence(right.as_ref().unwrap()));
        }
        assert_eq!(order, [0, 1, 2, 3, 4, 5, 6], "longer questions are finished later");
    }
}

#[test]
fn a_question_that_cannot_be_asked_does_not_stop_the_others() {
    let mut engine = student(contract(), 700, |_| crate::support::END);
    let (solutions, _) = solve(&mut engine, &[question("?"), question("x".repeat(800)), question("!")], 2);
    assert_eq!(solutions[0].as_ref().unwrap().outcome, Outcome::Abstained);
    assert!(matches!(solutions[1], Err(GenerateError::ContextExceeded { .. })));
    assert!(solutions[2].is_ok());
}

#[test]
fn a_cancelled_question_leaves_its_row_to_the_next() {
    let mut engine = student(contract(), 4096, |done| if done.len() < 40 { b'a'.into() } else { crate::support::END });
    let cancelled = Request::default();
    cancelled.cancel_token().cancel();
    let first = Question { text: "?".to_owned(), request: cancelled };
    let (solutions, _) = solve(&mut engine, &[first, question("!")], 1);
    assert_eq!(solutions[0].as_ref().unwrap().outcome, Outcome::Cancelled);
    assert_eq!(solutions[1].as_ref().unwrap().outcome, Outcome::Abstained);
}

fn sampled(text: &str, seed: u64) -> Question {
    let request = Request::builder().temperature(0.8).seed(seed).rationale_tokens(24).build().unwrap();
    Question { text: text.to_owned(), request }
}

#[test]
fn a_completion_depends_neither_on_its_row_nor_on_the_others() {
    let Some(fixture) = fixture() else { return };
    let mut engine = Engine::open(fixture).unwrap();
    let questions: Vec<Question> = (0..24).map(|seed| sampled(&"word ".repeat(1 + seed as usize % 7), seed)).collect();
    let (together, _) = solve(&mut engine, &questions, 4);
    let mut turned = questions.clone();
    turned.rotate_left(5);
    let (mut others, _) = solve(&mut engine, &turned, 4);
    others.rotate_right(5);
    let few = solve(&mut engine, &questions[20..], 4).0;
    for (index, solution) in together.iter().enumerate() {
        let expected = essence(solution.as_ref().unwrap());
        assert_eq!(expected, essence(others[index].as_ref().unwrap()), "question {index}");
        if let Some(alone) = index.checked_sub(20) {
            assert_eq!(expected, essence(few[alone].as_ref().unwrap()), "question {index} beside fewer");
        }
    }
    let texts: std::collections::HashSet<String> =
        together.iter().map(|solution| solution.as_ref().unwrap().completion.clone()).collect();
    assert!(texts.len() > 20, "seeds make a difference");
}

#[test]
fn the_shipped_student_answers_alike() {
    if fixture().is_none() {
        return;
    }
    let bundle = Bundle::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic")).unwrap();
    let mut engine = Engine::open(bundle.folder()).unwrap();
    let names = ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hal", "Ida", "Jon"];
    let questions: Vec<Question> = (0..10)
        .map(|shift| {
            let words: Vec<&str> = (0..2 + shift % 3).map(|index| names[(shift + index) % 10]).collect();
            question(format!("Take the last letters of each words in \"{}\" and concatenate them.", words.join(" ")))
        })
        .collect();
    let alone: Vec<Solution> = questions.iter().map(|q| engine.solve(&q.text, &q.request).unwrap()).collect();
    let (together, _) = solve(&mut engine, &questions, 8);
    for (left, right) in alone.iter().zip(&together) {
        let right = right.as_ref().unwrap();
        assert_eq!((&left.completion, left.outcome), (&right.completion, right.outcome));
        assert!((left.confidence.unwrap() - right.confidence.unwrap()).abs() < 1e-4);
    }
}
