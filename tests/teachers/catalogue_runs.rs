//! Each of the 30 faults, over several seeds: 200 questions end in the same data.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use pupil_distill::rationale::Reader;

use crate::answers::Api;
use crate::catalogue::CATALOGUE;
use crate::checks;
use crate::count;
use crate::fault::{Cause, Course, Fault, FaultType, Streaming};
use crate::server::{Conduct, Server};
use crate::teaching::{Finished, Settings, Teaching};

/// Cases that run at the same time; most of them wait most of the time.
const SIDE_BY_SIDE: usize = 4;
/// Seeds of a quick run.
const QUICK_SEEDS: u64 = 2;
const LATENCY: Duration = Duration::from_millis(2);

/// One fault type with one seed.
struct Case {
    fault: &'static FaultType,
    seed: u64,
    settings: Settings,
    server: Server,
    elsewhere: Server,
    teaching: Teaching,
}

fn settings(fault: &FaultType, seed: u64) -> Settings {
    Settings {
        // Both interfaces and both promptings meet faults of every kind.
        api: if fault.number.is_multiple_of(3) { Api::Completions } else { Api::Chat },
        prompting: if fault.number.is_multiple_of(2) { "zero_shot_cot" } else { "one_step" },
        is_streamed: fault.streaming == Streaming::Always || seed % 2 == 1,
        // Nobody is at a wrong address; eight times is often enough where somebody is. The pauses are drawn from nothing to
        // 0.3 s, and a server that is away must outlast them for none of a hundred completions: of eight pauses, one in seven
        // hundred sums is below half a second.
        retries: match fault.cause {
            Cause::Address(_) => 2,
            Cause::Outage(_) => 24,
            Cause::Replies { .. } => 8,
        },
        timeout_s: if fault.needs_timeouts { 0.7 } else { 20.0 },
        ..Settings::default()
    }
}

impl Case {
    fn new(fault: &'static FaultType, seed: u64) -> Self {
        let settings = settings(fault, seed);
        let elsewhere = Server::start(Conduct::good(), "");
        let other_host = format!("http://localhost:{}", elsewhere.port());
        let conduct = Conduct { cause: Some(fault.cause), seed, latency: LATENCY };
        let server = Server::start(conduct, &other_host);
        let url = match fault.cause {
            Cause::Address(url) => url.replace("{port}", &server.port().to_string()),
            _ => server.url(),
        };
        let teaching = Teaching::new(settings.clone(), &url);
        Self { fault, seed, settings, server, elsewhere, teaching }
    }

    /// Runs it and checks everything; what the store exports in the end.
    fn prove(&self) -> String {
        let finished = match self.fault.course {
            Course::Rides => vec![self.rides()],
            Course::Stops(said) => self.stops(said),
            Course::Fails => self.fails(),
        };
        let log = self.server.log();
        checks::requests_are_bounded(&log, &self.settings, finished.len());
        checks::nobody_came_too_early(&log);
        checks::the_key_is_kept(&self.teaching, &self.server, &self.elsewhere, &finished.iter().collect::<Vec<_>>());
        if !self.fault.needs_timeouts {
            assert_eq!(checks::paid_twice(&log), 0, "what was answered well was asked again");
        }
        finished.iter().for_each(checks::memory_is_bounded);
        checks::nothing_is_lost_or_doubled(&self.teaching, &self.settings);
        let export = self.teaching.export();
        if changes_the_data(self.fault) {
            assert!(export.contains(r#""finish":"length""#) && export.contains(r#""finish":"content_filter""#));
        }
        export
    }

    fn rides(&self) -> Finished {
        let finished = self.teaching.teach(&[]);
        assert_eq!(finished.code, Some(0), "{}", finished.printed);
        assert!(self.has_met_its_fault(), "the fault never happened");
        finished
    }

    fn has_met_its_fault(&self) -> bool {
        matches!(self.fault.cause, Cause::Outage(_)) || self.server.log().iter().any(|entry| entry.fault.is_some())
    }

    fn stops(&self, said: &str) -> Vec<Finished> {
        let stopped = self.teaching.teach(&[]);
        assert_eq!(stopped.code, Some(2), "{}", stopped.printed);
        assert!(stopped.printed.contains(said), "{}", stopped.printed);
        let log = self.server.log();
        let first = log.iter().position(|entry| entry.fault.is_some()).unwrap_or(log.len());
        assert!(log.len() - first <= self.settings.concurrency, "a stopped run went on asking");
        self.server.heal();
        self.teaching.point_to(&self.server.url());
        let finished = self.teaching.teach(&[]);
        assert_eq!(finished.code, Some(0), "{}", finished.printed);
        vec![stopped, finished]
    }

    fn fails(&self) -> Vec<Finished> {
        let first = self.teaching.teach(&[]);
        let progress = Reader::open(&self.teaching.store()).unwrap().progress(0).unwrap();
        assert!(progress.failed > 0 && progress.done + progress.failed == progress.examples, "{progress:?}");
        for (key, count) in checks::counts(&self.server.log(), |entry| entry.fault.is_some()) {
            assert_eq!(count, 1, "request {key:016x} was repeated though it could not succeed");
        }
        let asked = self.server.requests();
        let again = self.teaching.teach(&[]);
        assert_eq!(self.server.requests(), asked, "failed completions are asked again only if the user says so");
        self.server.heal();
        let retried = self.teaching.teach(&["--retry-failed"]);
        assert_eq!(retried.code, Some(0), "{}", retried.printed);
        vec![first, again, retried]
    }
}

/// What a run exports that meets no fault, by interface and prompting.
fn undisturbed(settings: &Settings) -> String {
    static EXPORTS: [OnceLock<String>; 4] = [const { OnceLock::new() }; 4];
    let place = usize::from(settings.api == Api::Chat) * 2 + usize::from(settings.prompting == "one_step");
    let export = EXPORTS[place].get_or_init(|| {
        let server = Server::start(Conduct::good(), "");
        let settings = Settings { is_streamed: false, ..settings.clone() };
        let teaching = Teaching::new(settings.clone(), &server.url());
        let finished = teaching.teach(&[]);
        assert_eq!(finished.code, Some(0), "{}", finished.printed);
        assert_eq!(server.requests(), checks::needed(&settings));
        checks::nothing_is_lost_or_doubled(&teaching, &settings);
        teaching.export()
    });
    export.clone()
}

/// Whether the fault is a part of what the server answers, so that the data differ from those of a good server.
fn changes_the_data(fault: &FaultType) -> bool {
    matches!(fault.cause, Cause::Replies { faults: [Fault::Finish(_), ..], .. })
}

/// Proves the fault types with these numbers.
fn prove(numbers: std::ops::RangeInclusive<u8>) {
    let seeds = count("PUPIL_FAULT_SEEDS", QUICK_SEEDS);
    let faults = CATALOGUE.iter().filter(|fault| numbers.contains(&fault.number));
    let cases: Vec<_> = faults.flat_map(|fault| (0..seeds).map(move |seed| (fault, seed))).collect();
    let queue = Mutex::new(cases.into_iter());
    let exports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let Some((fault, seed)) = queue.lock().unwrap().next() else { break };
                    let (case, start) = (Case::new(fault, seed), Instant::now());
                    let export = catch_unwind(AssertUnwindSafe(|| case.prove()));
                    println!("{:>2} {}, seed {seed}: {:.1?}", fault.number, fault.name, start.elapsed());
                    exports.lock().unwrap().push((case, export.ok()));
                }
            });
        }
    });
    let mut failures: Vec<String> = Vec::new();
    let exports = exports.into_inner().unwrap();
    for (case, export) in &exports {
        let reference = if changes_the_data(case.fault) {
            let same = exports.iter().find(|(other, _)| other.fault.number == case.fault.number);
            same.and_then(|(_, export)| export.clone())
        } else {
            Some(undisturbed(&case.settings))
        };
        if export.is_none() || *export != reference {
            let what = if export.is_none() { "see above" } else { "the data differ" };
            failures.push(format!("{} ({}), seed {}: {what}", case.fault.number, case.fault.name, case.seed));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_catalogue_is_complete() {
    for (fault, number) in CATALOGUE.iter().zip(1..) {
        assert_eq!(fault.number, number, "{}", fault.name);
    }
}

#[test]
fn connections_that_fail() {
    prove(1..=5);
}

#[test]
fn replies_that_stall() {
    prove(6..=8);
}

#[test]
fn replies_that_are_cut() {
    prove(9..=14);
}

#[test]
fn throttling_and_quota() {
    prove(15..=19);
}

#[test]
fn error_statuses() {
    prove(20..=22);
}

#[test]
fn bodies_that_are_wrong() {
    prove(23..=30);
}
