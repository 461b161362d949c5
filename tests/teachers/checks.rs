//! What must hold after every run, by the server's log and by the run's folder.

use std::collections::HashMap;
use std::time::Duration;

use crate::answers::question;
use crate::log::Entry;
use crate::server::Server;
use crate::teaching::{Finished, KEY, Settings, Teaching, rows};

/// Requests that a client sent before it had read that it must not can arrive so much later on a busy machine.
const UNDER_WAY: Duration = Duration::from_millis(300);
/// What the clocks of two processes may differ in their roundings.
const ROUNDING: Duration = Duration::from_millis(5);
/// Most memory of a client, whatever it is sent.
pub(crate) const MOST_BYTES: u64 = 150 << 20;

/// Requests that a run of these settings needs.
pub(crate) fn needed(settings: &Settings) -> usize {
    settings.questions * if settings.prompting == "zero_shot_cot" { 2 } else { 1 }
}

/// Every question has exactly one completion, in the questions' order.
pub(crate) fn nothing_is_lost_or_doubled(teaching: &Teaching, settings: &Settings) {
    let rows = rows(&teaching.store());
    assert_eq!(rows.len(), settings.questions, "one completion per question");
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(row.id(), format!("sums/{number}#0"));
        assert_eq!(row.example.question, question(number).0);
    }
}

/// Each request was answered well as often as expected, and none was sent more often than `retries` allows.
pub(crate) fn requests_are_bounded(log: &[Entry], settings: &Settings, processes: usize) {
    let attempts = 1 + settings.retries as usize;
    assert!(log.len() <= needed(settings) * attempts, "{} requests", log.len());
    for (key, count) in counts(log, |_| true) {
        assert!(count <= attempts * processes, "request {key:016x} was sent {count} times");
    }
}

/// How often each request was answered well beyond the first time, over all requests.
pub(crate) fn paid_twice(log: &[Entry]) -> usize {
    counts(log, |entry| entry.is_whole).values().map(|count| count - 1).sum()
}

/// How often each request was sent, by its key, counting what `holds` for.
pub(crate) fn counts(log: &[Entry], holds: impl Fn(&Entry) -> bool) -> HashMap<u64, usize> {
    let mut counts = HashMap::new();
    for entry in log.iter().filter(|entry| holds(entry)) {
        *counts.entry(entry.key).or_default() += 1;
    }
    counts
}

/// Nobody came earlier than he was told: not with the same request, and after a 429 not with any.
pub(crate) fn nobody_came_too_early(log: &[Entry]) {
    for told in log {
        let (Some(replied), Some(not_before)) = (told.replied, told.not_before) else { continue };
        let early = log.iter().filter(|entry| entry.at > replied && entry.at + ROUNDING < not_before);
        for entry in early {
            assert_ne!(entry.key, told.key, "the same request came {:?} too early", not_before - entry.at);
            let was_under_way = entry.at < replied + UNDER_WAY;
            assert!(
                was_under_way || !told.is_throttled(),
                "a request came {:?} after a 429 that forbade it for {:?}",
                entry.at - replied,
                not_before - replied
            );
        }
    }
}

/// The key was sent with every request to the endpoint, nowhere else, and is in no file and no output.
pub(crate) fn the_key_is_kept(teaching: &Teaching, server: &Server, elsewhere: &Server, printed: &[&Finished]) {
    let expected = format!("Bearer {KEY}");
    for entry in server.log() {
        assert_eq!(entry.authorization.as_deref(), Some(expected.as_str()));
    }
    for entry in elsewhere.log() {
        assert_eq!(entry.authorization, None, "another host got the key");
    }
    assert_eq!(teaching.files_with_the_key(), Vec::<std::path::PathBuf>::new(), "the key is in a file");
    for finished in printed {
        assert!(!finished.printed.contains(KEY), "{}", finished.printed);
    }
}

/// Memory is bounded by a constant.
pub(crate) fn memory_is_bounded(finished: &Finished) {
    assert!(finished.peak_bytes < MOST_BYTES, "{} MiB", finished.peak_bytes >> 20);
}
