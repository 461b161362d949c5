//! Faults that pass: every completion arrives all the same, and only what may be retried is.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::run::{examples, honest, progress, rows, taught};
use super::server::{Answer, Server, text};
use super::source;
use crate::interrupt::Interrupt;
use crate::rationale::Store;
use crate::teacher::{Finish, TeachOptions};

fn status(status: u16, headers: &'static str, body: &str) -> Answer {
    Answer::Status(status, headers, body.to_owned())
}

/// Something else than a reply.
fn fault(number: usize) -> Answer {
    const WHOLE: &str = r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}"#;
    let raw = |bytes: &[u8]| Answer::Raw(bytes.to_vec());
    match number % 14 {
        0 => Answer::Close,
        1 => status(500, "", "oops"),
        2 => status(503, "", "<html>"),
        3 => status(429, "retry-after-ms: 10\r\n", "{}"),
        4 => status(408, "", ""),
        5 => status(200, "", "<html>busy</html>"),
        6 => status(200, "", r#"{"error":"busy"}"#),
        7 => status(200, "", r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#),
        8 => status(200, "", r#"{"choices":[{"message":{"content":"\ud800"},"finish_reason":"stop"}]}"#),
        9 => status(200, "content-encoding: gzip\r\n", "zipped"),
        10 => status(200, "x-client-request-id: another\r\n", WHOLE),
        11 => raw(format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{WHOLE}").as_bytes()),
        12 => raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
        _ => raw(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\xff\xff\xff"),
    }
}

#[test]
fn whatever_passes_is_tried_again_and_the_data_is_the_same() {
    let clean = tempfile::tempdir().unwrap();
    let faulty = tempfile::tempdir().unwrap();
    let examples = examples(60);
    let run = |server: &Server, folder: &std::path::Path| {
        taught(&source(&server.url), &examples, folder, TeachOptions::default(), &Interrupt::new()).unwrap();
    };
    run(&Server::new(honest), clean.path());
    // The first attempt at each of the two steps fails.
    let seen = Mutex::new(HashSet::new());
    let server = Server::new(move |asked| {
        let is_first = seen.lock().unwrap().insert(asked.body["messages"].to_string());
        if is_first { fault(asked.number) } else { honest(asked) }
    });
    run(&server, faulty.path());
    assert!(rows(clean.path()) == rows(faulty.path()));
    assert_eq!(server.asked().len(), 240);
    assert_eq!(progress(faulty.path()).failed, 0);
}

#[test]
fn nobody_asks_before_the_pause_is_over() {
    let server = Server::new(|asked| match asked.number {
        0 => status(429, "retry-after: 0.4\r\n", "{}"),
        _ => text("Heads."),
    });
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(&server.url);
    source.prompting = super::Prompting::OneStep;
    source.limits.concurrency = std::num::NonZeroUsize::new(1).unwrap();
    taught(&source, &examples(3), folder.path(), TeachOptions::default(), &Interrupt::new()).unwrap();
    let asked = server.asked();
    assert!(asked[1].at.duration_since(asked[0].at) >= Duration::from_millis(400));
    assert_eq!(asked.len(), 4);
}

#[test]
fn what_no_attempt_mends_is_recorded_and_the_run_goes_on() {
    let server = Server::new(|asked| match asked.said() {
        said if said.contains("Heads 1?") => status(400, "", r#"{"error":{"message":"too long"}}"#),
        said if said.contains("Heads 2?") => status(500, "", ""),
        said if said.contains("Heads 3?") => status(200, "", r#"{"choices":[]}"#),
        said if said.contains("Heads 4?") => {
            status(200, "", r#"{"choices":[{"message":{"content":null},"finish_reason":"content_filter"}]}"#)
        }
        _ => honest(asked),
    });
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(&server.url);
    source.limits.retries = 4;
    let examples = examples(6);
    let run = |retry_failed| {
        let options = TeachOptions { retry_failed, ..TeachOptions::default() };
        taught(&source, &examples, folder.path(), options, &Interrupt::new()).unwrap();
        server.asked().len()
    };
    assert_eq!(
        run(false),
        4 + 1 + 5 + 4 + 1,
        "two whole ones, one refused, one exhausted, one malformed, one filtered"
    );
    let filtered = rows(folder.path()).into_iter().find(|row| row.example.id == "coin_flip/4").unwrap();
    assert_eq!(filtered.completion.finish, Some(Finish::Other("content_filter".to_owned())));
    assert_eq!(filtered.completion.prediction, None);
    let store = Store::open(&folder.path().join("rationales.db")).unwrap();
    let failure = |position| store.standing(crate::rationale::ExampleKey::new(0, position)).unwrap()[0].failure.clone();
    let failures: Vec<Option<String>> = (1..5).map(failure).collect();
    let expected = [Some("http_400"), Some("retries_exhausted"), Some("malformed"), None];
    assert_eq!(failures, expected.map(|code| code.map(str::to_owned)));
    let left = crate::teacher::openai::estimate(&source, 0, &examples, Some(&store)).unwrap();
    assert_eq!(left.requests, 2, "of those that failed, only the exhausted one is asked about, in two steps");
    drop(store);
    assert_eq!(run(false), 15 + 5, "only what may succeed another day");
    assert_eq!(run(true), 20 + 1 + 5 + 4, "all that failed");
}

#[test]
fn a_stalled_server_is_given_up_and_asked_again() {
    let server = Server::new(|asked| {
        if asked.number < 2 {
            std::thread::sleep(Duration::from_secs(2));
        }
        text("Heads.")
    });
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(&server.url);
    source.prompting = super::Prompting::OneStep;
    source.limits.timeout_s = 0.2;
    let began = Instant::now();
    taught(&source, &examples(2), folder.path(), TeachOptions::default(), &Interrupt::new()).unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!((server.asked().len(), rows(folder.path()).len()), (4, 2));
}
