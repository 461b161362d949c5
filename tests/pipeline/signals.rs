//! `distill run` as a process that is interrupted or killed: the same command continues, to the same bytes.

use std::sync::OnceLock;

use crate::micro::{Micro, files, succeeded};
use crate::process::Running;

type Files = Vec<(String, Vec<u8>)>;

/// Everything that a run leaves but its own checkpoints, of which a stopped run has others.
fn outcome(micro: &Micro) -> Files {
    let mut files = files(&micro.run_folder());
    files.retain(|(name, _)| !name.starts_with("train/checkpoints/step-"));
    files
}

/// What a run leaves that nobody disturbed.
fn undisturbed() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let micro = Micro::new();
        succeeded(&micro.stage("run").output().unwrap());
        outcome(&micro)
    })
}

/// Runs to the end and compares.
fn finish(micro: &Micro) {
    succeeded(&micro.stage("run").output().unwrap());
    let (found, expected) = (outcome(micro), undisturbed());
    let names = |files: &Files| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(expected), "nothing is missing, nothing is left over");
    for (left, right) in found.iter().zip(expected) {
        assert!(left.1 == right.1, "`{}` differs", left.0);
    }
}

#[test]
fn ctrl_c_in_any_stage_says_how_to_go_on_and_the_same_command_does() {
    let micro = Micro::new();
    let metrics = micro.run_folder().join("train/metrics.jsonl");
    for (stage, steps) in [
        ("teach", 0),
        ("filter", 0),
        ("samples", 0),
        ("train", 0),
        ("train", 6),
        ("train", 20),
        ("export", 0),
        ("eval", 0),
    ] {
        let mut run = Running::start(&mut micro.stage("run"));
        run.reach(stage);
        run.reach_step(&metrics, steps);
        run.interrupt();
        let (status, printed) = run.end();
        assert_eq!(status.code(), Some(130), "{stage}\n{printed}");
        let last = printed.lines().last().unwrap();
        assert!(last.starts_with("stopped") && last.ends_with("; the same command continues from there"), "{last}");
        assert!(!printed.contains("error:"), "{printed}");
    }
    finish(&micro);
}

#[test]
fn killed_at_any_moment_it_ends_with_the_same_bytes() {
    let micro = Micro::new();
    let metrics = micro.run_folder().join("train/metrics.jsonl");
    for (stage, steps) in [
        ("teach", 0),
        ("samples", 0),
        ("train", 0),
        ("train", 1),
        ("train", 7),
        ("train", 8),
        ("train", 13),
        ("train", 29),
        ("train", 40),
        ("export", 0),
        ("eval", 0),
    ] {
        let mut run = Running::start(&mut micro.stage("run"));
        run.reach(stage);
        run.reach_step(&metrics, steps);
        run.kill();
    }
    finish(&micro);
}

#[test]
fn a_run_has_one_process() {
    let micro = Micro::new();
    let mut first = Running::start(&mut micro.stage("run"));
    first.reach("teach");
    let second = micro.stage("run").output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let expected = "error: run `runs/micro` is locked: expected to be its only process, found another one\n";
    assert_eq!(String::from_utf8(second.stderr).unwrap(), expected);
    let (status, printed) = first.end();
    assert!(status.success(), "{printed}");
    assert!(outcome(&micro) == *undisturbed());
}
