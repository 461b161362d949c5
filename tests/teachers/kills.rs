//! Kill -9 at random moments while faults are on: the same command goes on, and pays twice for what was in flight alone.

use std::time::Duration;

use pupil_distill::keyed::mix;

use crate::checks;
use crate::count;
use crate::fault::{Cause, Fault, Wait, When};
use crate::server::{Conduct, Server};
use crate::teaching::{Settings, Teaching};

/// Faults of every layer, none of which needs a timeout: only kills make a client ask twice for what was answered.
const MIXTURE: &[Fault] = &[
    Fault::Reset,
    Fault::ResetInBody,
    Fault::LongLength,
    Fault::BrokenChunk,
    Fault::Status { status: 503, code: "overloaded", wait: Wait::Unsaid },
    Fault::Status { status: 429, code: "rate_limit_exceeded", wait: Wait::Milliseconds(20) },
    Fault::Body { kind: "text/html", body: b"<html></html>" },
    Fault::Text("null"),
];
/// Killed runs of a quick run.
const QUICK_RUNS: u64 = 4;
/// Kills of one run at most.
const MOST_KILLS: u64 = 6;

/// Kills the run at random moments and lets it finish at last; how often it was killed.
fn kill_and_finish(seed: u64, settings: &Settings) -> (u64, String) {
    let cause = Some(Cause::Replies { when: When::Attempts { first: 2, share: 0.2 }, faults: MIXTURE });
    let server = Server::start(Conduct { cause, seed, latency: Duration::from_millis(5) }, "");
    let elsewhere = Server::start(Conduct::good(), "");
    let teaching = Teaching::new(settings.clone(), &server.url());
    let mut kills = 0;
    // A killed process forgets how long it was to wait, so each is judged by its own requests.
    let mut starts = Vec::new();
    while kills < MOST_KILLS {
        let before = server.requests();
        starts.push(before);
        let mut run = teaching.start(&[]);
        let more = mix(&[seed, kills]) % 80 + 1;
        while run.goes_on() && server.requests() < before + more as usize {
            std::thread::sleep(Duration::from_millis(1));
        }
        if !run.goes_on() {
            break;
        }
        // Not only at the moment of a request.
        std::thread::sleep(Duration::from_micros(mix(&[seed, kills, 1]) % 30_000));
        run.kill();
        kills += 1;
    }
    starts.push(server.requests());
    let finished = teaching.teach(&[]);
    assert_eq!(finished.code, Some(0), "seed {seed}\n{}", finished.printed);
    checks::nothing_is_lost_or_doubled(&teaching, settings);
    checks::the_key_is_kept(&teaching, &server, &elsewhere, &[&finished]);
    let (log, most) = (server.log(), settings.concurrency * kills as usize);
    for (place, start) in starts.iter().enumerate() {
        checks::nobody_came_too_early(&log[*start..starts.get(place + 1).copied().unwrap_or(log.len())]);
    }
    checks::requests_are_bounded(&log, settings, kills as usize + 1);
    let again = checks::paid_twice(&log);
    assert!(again <= most, "seed {seed}: {again} completions were paid twice after {kills} kills");
    (kills, teaching.export())
}

#[test]
fn a_killed_run_goes_on_and_repeats_what_was_in_flight_alone() {
    for prompting in ["one_step", "zero_shot_cot"] {
        let settings = Settings { prompting, concurrency: 8, ..Settings::default() };
        let server = Server::start(Conduct::good(), "");
        let undisturbed = Teaching::new(settings.clone(), &server.url());
        assert_eq!(undisturbed.teach(&[]).code, Some(0));
        let expected = undisturbed.export();
        let runs = count("PUPIL_FAULT_KILLS", QUICK_RUNS) / 2;
        let mut all_kills = 0;
        for seed in 0..runs {
            let (kills, export) = kill_and_finish(seed, &settings);
            assert!(export == expected, "{prompting}, seed {seed}: the data differ");
            all_kills += kills;
        }
        assert!(all_kills > 0, "no run was killed");
        println!("{prompting}: {runs} runs, {all_kills} kills");
    }
}
