//! Waits that are longer than a test, and refusals that no patience mends.

use std::process::Command;
use std::time::Duration;

use crate::checks;
use crate::fault::{Cause, Fault, Wait, When};
use crate::server::{Conduct, Server};
use crate::teaching::{Settings, Teaching};

/// A server that refuses everything after twenty requests.
fn refusing(status: u16, code: &'static str, wait: Wait) -> Server {
    let fault: &'static [Fault] = Box::leak(Box::new([Fault::Status { status, code, wait }]));
    let cause = Some(Cause::Replies { when: When::After(20), faults: fault });
    Server::start(Conduct { cause, ..Conduct::good() }, "")
}

#[test]
fn an_hour_of_retry_after_parks_the_run_until_it_is_stopped() {
    let server = refusing(429, "rate_limit_exceeded", Wait::Seconds(3600));
    let settings = Settings { questions: 40, ..Settings::default() };
    let teaching = Teaching::new(settings.clone(), &server.url());
    let mut run = teaching.start(&[]);
    while server.requests() <= 20 {
        assert!(run.goes_on(), "the run ended before it was throttled");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(500));
    let asked = server.requests();
    std::thread::sleep(Duration::from_secs(2));
    assert!(run.goes_on(), "the run gave up");
    assert_eq!(server.requests(), asked, "a parked run asks nothing");
    assert!(asked <= 20 + settings.concurrency);
    checks::nobody_came_too_early(&server.log());

    Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    let finished = run.end(Duration::from_secs(5));
    assert_eq!(finished.code, Some(130), "{}", finished.printed);
    server.heal();
    let finished = teaching.teach(&[]);
    assert_eq!(finished.code, Some(0), "{}", finished.printed);
    checks::nothing_is_lost_or_doubled(&teaching, &settings);
    assert_eq!(checks::paid_twice(&server.log()), 0);
}

#[test]
fn a_refused_key_stops_the_run_at_once() {
    for (status, code, said) in [
        (401, "invalid_api_key", "status 401"),
        (403, "forbidden", "status 403"),
        (402, "payment_required", "quota is used up: expected a reply, found status 402"),
    ] {
        let server = refusing(status, code, Wait::Unsaid);
        let settings = Settings { questions: 40, ..Settings::default() };
        let teaching = Teaching::new(settings.clone(), &server.url());
        let elsewhere = Server::start(Conduct::good(), "");
        let finished = teaching.teach(&[]);
        assert_eq!(finished.code, Some(2), "{}", finished.printed);
        assert!(finished.printed.contains(said), "{}", finished.printed);
        assert!(server.requests() <= 20 + settings.concurrency, "{} requests", server.requests());
        checks::the_key_is_kept(&teaching, &server, &elsewhere, &[&finished]);
        server.heal();
        assert_eq!(teaching.teach(&[]).code, Some(0));
        checks::nothing_is_lost_or_doubled(&teaching, &settings);
    }
}
