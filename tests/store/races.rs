//! Two processes that start on one store at the same moment.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::worker::worker;

/// Races, `PUPIL_STORE_RACES` or a few.
fn races() -> usize {
    std::env::var("PUPIL_STORE_RACES").ok().and_then(|count| count.parse().ok()).unwrap_or(15)
}

#[test]
fn exactly_one_of_two_processes_runs_and_the_other_says_so_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut slowest = Duration::ZERO;
    for race in 0..races() {
        // The same store for a few races: new, then old.
        let store = folder.path().join(format!("{}.db", race / 3));
        let (sender, said) = channel();
        let start = |who: usize| {
            let mut child = worker("hold", &store)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let (out, sender) = (child.stdout.take().unwrap(), sender.clone());
            std::thread::spawn(move || {
                let lines = BufReader::new(out).lines().map_while(Result::ok);
                let mut lines = lines.into_iter();
                let line = lines.find(|line| line == "runs" || line.starts_with("E_"));
                sender.send((who, line)).unwrap();
                // Who prints into a closed pipe fails.
                lines.for_each(drop);
            });
            child
        };
        let mut children: Vec<Child> = (0..2).map(start).collect();
        let said: Vec<(usize, Option<String>)> =
            (0..2).map(|_| said.recv_timeout(Duration::from_mins(1)).unwrap()).collect();
        let runs = said.iter().filter(|(_, line)| line.as_deref() == Some("runs")).count();
        assert_eq!(runs, 1, "race {race}: {said:?}");
        let (loser, refusal) = said.iter().find(|(_, line)| line.as_deref() != Some("runs")).unwrap();
        let refusal = refusal.as_deref().unwrap();
        assert!(refusal.starts_with("E_LOCKED") && refusal.contains("is locked: expected to be its only writer"));
        let milliseconds = refusal.split(' ').nth(1).unwrap().parse().unwrap();
        slowest = slowest.max(Duration::from_millis(milliseconds));
        assert!(children[*loser].wait().unwrap().success());
        for child in &mut children {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
    println!("{} races, the slowest refusal came after {slowest:?}", races());
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}
