//! What ends a run: money, quota, redirects, an unreachable endpoint, the user.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::run::{examples, honest, progress, taught};
use super::server::{Answer, Server};
use super::source;
use crate::interrupt::Interrupt;
use crate::rationale::Reader;
use crate::teacher::TeachOptions;
use crate::teacher::openai::{OpenaiError, Price, estimate};

#[test]
fn a_used_up_quota_stops_the_run_and_it_goes_on_later() {
    for (status, body, code) in [
        (429, r#"{"error":{"message":"m","code":"insufficient_quota"}}"#, "E_TEACH_QUOTA"),
        (402, "", "E_TEACH_QUOTA"),
        (401, r#"{"error":"bad key"}"#, "E_TEACH_REFUSED"),
        (403, "", "E_TEACH_REFUSED"),
    ] {
        let server = Server::new(move |asked| match asked.number {
            20 => Answer::Status(status, "", body.to_owned()),
            _ => honest(asked),
        });
        let folder = tempfile::tempdir().unwrap();
        let mut source = source(&server.url);
        source.limits.concurrency = std::num::NonZeroUsize::new(4).unwrap();
        let run = || taught(&source, &examples(30), folder.path(), TeachOptions::default(), &Interrupt::new());
        let error = run().unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        let (asked, held) = (server.asked().len(), progress(folder.path()));
        assert!(asked <= 24, "{asked}");
        assert_eq!(held.failed, 0);
        run().unwrap();
        assert_eq!(progress(folder.path()).done, 30);
        assert_eq!(server.asked().len(), 61, "one request was lost, none repeated");
    }
}

#[test]
fn the_key_does_not_follow_a_redirect() {
    let elsewhere = Server::new(honest);
    let location = format!("location: {}/chat/completions?token=1\r\n", elsewhere.url);
    let location: &'static str = Box::leak(location.into_boxed_str());
    let server = Server::new(move |_| Answer::Status(307, location, String::new()));
    let folder = tempfile::tempdir().unwrap();
    let error = taught(&source(&server.url), &examples(3), folder.path(), TeachOptions::default(), &Interrupt::new());
    let error = error.unwrap_err().to_string();
    assert!(error.contains(&elsewhere.url) && !error.contains("token"), "{error}");
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn costs_stop_before_the_limit_and_the_rest_follows_with_a_higher_one() {
    let server = Server::new(honest);
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(&server.url);
    // 10 prompt and 5 reply tokens a request cost 0.02; the most that a request can cost is far more.
    source.price = Some(Price { prompt_usd_per_million: 1000.0, completion_usd_per_million: 2000.0 });
    source.generation.max_tokens = 8.try_into().unwrap();
    source.generation.answer_max_tokens = 8.try_into().unwrap();
    let examples = examples(40);
    let run = |max_cost_usd| {
        let options = TeachOptions { max_cost_usd, ..TeachOptions::default() };
        taught(&source, &examples, folder.path(), options, &Interrupt::new())
    };
    let error = run(Some(1.0)).unwrap_err();
    assert!(matches!(error, OpenaiError::Budget { .. }), "{error}");
    let spent = progress(folder.path()).cost_usd;
    assert!(spent > 0.4 && spent <= 1.0, "{spent}");
    assert!(matches!(run(Some(1.0)).unwrap_err(), OpenaiError::Budget { .. }));
    assert!(progress(folder.path()).cost_usd <= 1.0);
    run(None).unwrap();
    let progress = progress(folder.path());
    assert_eq!(progress.done, 40);
    assert_eq!(server.asked().len(), 80);
}

#[test]
fn requests_are_counted_to_the_limit() {
    let server = Server::new(honest);
    let folder = tempfile::tempdir().unwrap();
    let source = source(&server.url);
    let options = TeachOptions { max_requests: Some(7), ..TeachOptions::default() };
    let error = taught(&source, &examples(10), folder.path(), options, &Interrupt::new()).unwrap_err();
    assert!(matches!(error, OpenaiError::Budget { .. }), "{error}");
    assert_eq!(server.asked().len(), 7);
    let store = crate::rationale::Store::open(&folder.path().join("rationales.db")).unwrap();
    let left = estimate(&source, 0, &examples(10), Some(&store)).unwrap();
    assert_eq!((left.completions, left.requests), (10, 13));
}

#[test]
fn an_unreachable_endpoint_stops_the_run() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(&format!("http://127.0.0.1:{port}/v1?api-key=secret"));
    source.limits.retries = 1;
    let options = TeachOptions::default();
    let error = taught(&source, &examples(200), folder.path(), options, &Interrupt::new()).unwrap_err();
    assert!(matches!(error, OpenaiError::Unreachable { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains(&format!("`http://127.0.0.1:{port}/v1/chat/completions`")), "{said}");
    assert!(!said.contains("secret"), "{said}");
    assert!(progress(folder.path()).failed < 100);
}

#[test]
fn an_interrupt_ends_the_run_within_a_second() {
    let server = Server::new(|asked| {
        if asked.number > 5 {
            std::thread::sleep(Duration::from_secs(5));
        }
        honest(asked)
    });
    let folder = tempfile::tempdir().unwrap();
    let interrupt = Interrupt::new();
    let (store, later) = (folder.path().join("rationales.db"), interrupt.clone());
    let requested = std::thread::spawn(move || {
        // The replies to six requests are held once they are all that can be had quickly.
        let held =
            || Reader::open(&store).and_then(|store| store.progress(0)).map_or(0, |held| held.done + held.partial);
        let began = Instant::now();
        while held() < 6 && began.elapsed() < Duration::from_secs(4) {
            std::thread::sleep(Duration::from_millis(20));
        }
        later.request();
        Instant::now()
    });
    let error = taught(&source(&server.url), &examples(20), folder.path(), TeachOptions::default(), &interrupt);
    assert!(matches!(error, Err(OpenaiError::Interrupted)));
    let requested = requested.join().unwrap().elapsed();
    assert!(requested < Duration::from_millis(1500), "{requested:?}");
    let held = progress(folder.path());
    assert_eq!(held.done + held.partial, 6);
}

#[test]
fn nothing_says_the_key() {
    let server = Server::new(|asked| {
        let key = asked.headers["authorization"].clone();
        Answer::Status(400, "", format!(r#"{{"error":{{"message":"you sent {key}"}}}}"#))
    });
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(&server.url);
    let path = folder.path().join("key");
    std::fs::write(&path, "sk-very-secret").unwrap();
    // A variable that every process has, so that no test has to change the environment of others.
    source.endpoint.key_env = Some("CARGO_PKG_NAME".to_owned());
    let key = std::env::var("CARGO_PKG_NAME").unwrap();
    taught(&source, &examples(1), folder.path(), TeachOptions::default(), &Interrupt::new()).unwrap();
    assert_eq!(server.asked()[0].headers["authorization"], format!("Bearer {key}"));
    let store = std::fs::read(folder.path().join("rationales.db")).unwrap();
    let holds = |text: &str| store.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(holds("you sent Bearer [redacted]") && !holds(&key));
}
