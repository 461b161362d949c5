//! Runs against a server that keeps faith: prompts, order, resuming, degrees.

use std::num::NonZeroU32;
use std::path::Path;

use pupil_models::answer::{AnswerKind, Grader};

use super::server::{Answer, Asked, Server, text};
use super::{OpenaiSource, source};
use crate::dataset::Example;
use crate::filter::Filter;
use crate::interrupt::Interrupt;
use crate::rationale::{Progress, RationaleError, RationaleRow, SourceRecord, Store};
use crate::teacher::openai::{OpenaiError, Price, Prompting, teach};
use crate::teacher::{Adaptive, Assignment, Degree, Finish, TeachError, TeachOptions};

/// Examples whose questions are their numbers.
pub(super) fn examples(count: u64) -> Vec<(u64, Example)> {
    (0..count)
        .map(|number| (number, Example::new("coin_flip", &number.to_string(), format!("Heads {number}?"), "yes")))
        .collect()
}

/// Teaches `examples` into the store in `folder`.
pub(super) fn taught(
    source: &OpenaiSource,
    examples: &[(u64, Example)],
    folder: &Path,
    options: TeachOptions,
    interrupt: &Interrupt,
) -> Result<(), OpenaiError> {
    let mut store = Store::open(&folder.join("rationales.db")).unwrap();
    let record = SourceRecord { number: 0, teacher: "teacher".to_owned(), settings: "{}".to_owned() };
    store.register(&record, examples).unwrap();
    let filter = Filter { grader: Grader::Published, marker: None, kind: AnswerKind::YesNo };
    let degree = source.questions.degree;
    let mut assignment =
        Assignment { store: &mut store, source: 0, examples, degree, filter: &filter, options: &options, interrupt };
    match teach(source, &mut assignment) {
        Ok(()) => Ok(()),
        Err(TeachError::Openai(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

pub(super) fn rows(folder: &Path) -> Vec<RationaleRow> {
    let store = Store::open(&folder.join("rationales.db")).unwrap();
    let mut rows = Vec::new();
    store
        .visit(|stored| {
            rows.push(stored.row);
            Ok::<(), RationaleError>(())
        })
        .unwrap();
    rows
}

pub(super) fn progress(folder: &Path) -> Progress {
    Store::open(&folder.join("rationales.db")).unwrap().progress(0).unwrap()
}

/// Reasons about the question, and answers yes when asked for the answer.
pub(super) fn honest(asked: &Asked) -> Answer {
    match asked.said() {
        "Therefore, the answer is" => text(" yes."),
        question => text(&format!(" Reasons about {question}")),
    }
}

#[test]
fn two_steps_make_a_completion_and_nothing_is_asked_twice() {
    let server = Server::new(honest);
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(&server.url);
    source.price = Some(Price { prompt_usd_per_million: 1.0, completion_usd_per_million: 2.0 });
    let examples = examples(30);
    let run = || taught(&source, &examples, folder.path(), TeachOptions::default(), &Interrupt::new());
    run().unwrap();
    let rows = rows(folder.path());
    assert_eq!(rows.len(), 30);
    for (row, (_, example)) in rows.iter().zip(&examples) {
        let prompt = format!("Q: {}\nA: Let's think step by step.", example.question);
        assert_eq!(row.example, *example);
        assert_eq!(row.completion.rationale, format!(" Reasons about {prompt}"));
        assert_eq!(row.completion.prompt.as_ref(), Some(&prompt));
        assert_eq!(row.completion.prediction.as_deref(), Some(" yes."));
        assert_eq!(row.completion.answer_finish, Some(Finish::Stop));
    }
    let progress = progress(folder.path());
    assert_eq!((progress.prompt_tokens, progress.completion_tokens), (600, 300));
    assert!((progress.cost_usd - 0.0012).abs() < 1e-12, "{}", progress.cost_usd);
    assert_eq!(server.asked().len(), 60);
    assert!(server.asked().iter().all(|asked| asked.path == "/v1/chat/completions"));
    run().unwrap();
    assert_eq!(server.asked().len(), 60, "a finished run asks nothing");
}

#[test]
fn a_half_completion_goes_on_with_its_answer() {
    let stop = Interrupt::new();
    let at_the_answer = stop.clone();
    let server = Server::new(move |asked| {
        if asked.said() == "Therefore, the answer is" && !at_the_answer.is_requested() {
            at_the_answer.request();
            return Answer::Close;
        }
        honest(asked)
    });
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(&server.url);
    source.generation.temperature = 0.7;
    source.generation.seed = Some(7);
    source.questions.degree = Degree::Fixed(NonZeroU32::new(2).unwrap());
    let examples = examples(1);
    let error = taught(&source, &examples, folder.path(), TeachOptions::default(), &stop).unwrap_err();
    assert!(matches!(error, OpenaiError::Interrupted), "{error}");
    let (before, half) = (server.asked().len(), progress(folder.path()).partial);
    assert!(half > 0);
    taught(&source, &examples, folder.path(), TeachOptions::default(), &Interrupt::new()).unwrap();
    let asked = server.asked();
    let first_steps = asked.iter().filter(|asked| asked.said() != "Therefore, the answer is").count();
    assert_eq!(first_steps, 2, "no rationale is asked for twice");
    assert!(asked.len() > before);
    let rows = rows(folder.path());
    assert_eq!(rows.iter().map(|row| row.completion.seed).collect::<Vec<_>>(), [Some(7), Some(8)]);
}

#[test]
fn a_reasoning_model_gives_both_at_once_and_streams_do_too() {
    let server = Server::new(|asked| {
        let event = |delta: &str, finish: &str| {
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n")
        };
        assert_eq!(asked.body["stream"], true);
        let body = [
            event("{\"reasoning_content\":\"Flipped twice\"}", "null"),
            event("{\"content\":\"yes\"}", "null"),
            event("{}", "\"stop\""),
            "data: [DONE]\n\n".to_owned(),
        ];
        Answer::Status(200, "content-type: text/event-stream\r\n", body.concat())
    });
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(&server.url);
    source.prompting = Prompting::Reasoning;
    source.endpoint.stream = true;
    taught(&source, &examples(3), folder.path(), TeachOptions::default(), &Interrupt::new()).unwrap();
    for row in rows(folder.path()) {
        assert_eq!(
            (row.completion.rationale.as_str(), row.completion.prediction.as_deref()),
            ("Flipped twice", Some("yes"))
        );
    }
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn an_adaptive_degree_asks_until_enough_are_right() {
    // Even questions are always right, odd ones never.
    let server = Server::new(|asked| match asked.said() {
        "Therefore, the answer is" => {
            let question = asked.body["messages"][0]["content"].as_str().unwrap();
            let number: u64 = question.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
            text(if number.is_multiple_of(2) { " yes." } else { " no." })
        }
        _ => text(&format!("Reasons {}", asked.body["seed"])),
    });
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(&server.url);
    source.generation.seed = Some(0);
    let degree = Adaptive { enough: NonZeroU32::new(2).unwrap(), most: NonZeroU32::new(16).unwrap() };
    source.questions.degree = Degree::Adaptive(degree);
    let examples = examples(6);
    taught(&source, &examples, folder.path(), TeachOptions::default(), &Interrupt::new()).unwrap();
    let rows = rows(folder.path());
    let counts: Vec<usize> =
        examples.iter().map(|(_, example)| rows.iter().filter(|row| row.example == *example).count()).collect();
    assert_eq!([counts[0], counts[2], counts[4]], [2, 2, 2]);
    assert!(counts[1] > 2 && counts[1] < 16 && counts[1] == counts[3] && counts[3] == counts[5], "{counts:?}");
    let before = server.asked().len();
    taught(&source, &examples, folder.path(), TeachOptions::default(), &Interrupt::new()).unwrap();
    assert_eq!(server.asked().len(), before);
}
