//! Every stage, once: what it writes, that it is done only once, and what is refused.

use std::fs;
use std::time::SystemTime;

use pupil_distill::eval::EvalReport;
use pupil_distill::experiment::{Experiment, Plan};
use pupil_distill::interrupt::Interrupt;
use pupil_distill::pipeline::{Report, Run, StageName};
use pupil_distill::train::MetricRow;
use pupil_models::bundle::Bundle;

use crate::micro::{Micro, TEST_QUESTIONS, files, succeeded};

/// Runs every stage through the library; what was reported.
fn run_all(micro: &Micro) -> Vec<Report> {
    let experiment = Experiment::read(&micro.path("experiment.toml")).unwrap();
    let plan = Plan::new(&experiment, &micro.path(""), &micro.path("runs")).unwrap();
    let mut reports = Vec::new();
    let mut watch = |report| reports.push(report);
    Run::open(&plan, &Interrupt::new(), &mut watch).unwrap().through(StageName::Eval).unwrap();
    reports
}

/// A count in the record of a stage.
fn count(reports: &[Report], wanted: StageName, name: &str) -> usize {
    let found = reports.iter().find_map(|report| match report {
        Report::Finished { stage, record, .. } if *stage == wanted => Some(record),
        _ => None,
    });
    found.unwrap().counts[name] as usize
}

fn times(micro: &Micro) -> Vec<(String, SystemTime)> {
    let time = |name: &str| fs::metadata(micro.run_folder().join(name)).unwrap().modified().unwrap();
    files(&micro.run_folder()).into_iter().map(|(name, _)| (name.clone(), time(&name))).collect()
}

#[test]
fn every_stage_leads_to_the_next_and_is_done_once() {
    let micro = Micro::new();
    let reports = run_all(&micro);
    assert_eq!(count(&reports, StageName::Teach, "completions"), 240);
    assert_eq!(count(&reports, StageName::Teach, "failed"), 0);
    assert_eq!(count(&reports, StageName::Filter, "kept"), 240, "a program makes no mistake");
    assert_eq!(count(&reports, StageName::Samples, "samples"), 240);
    assert_eq!(count(&reports, StageName::Train, "steps"), 40, "the lesson and the rest");
    assert_eq!(count(&reports, StageName::Export, "equal_greedy_completions"), 20);

    let log = fs::read_to_string(micro.run_folder().join("train/metrics.jsonl")).unwrap();
    let rows: Vec<MetricRow> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().map(|row| row.step).eq(1..=40));
    assert!(rows[39].held_out_loss.unwrap() < 0.6 * rows[0].loss, "it learns: {rows:?}");

    let bundle = Bundle::open(micro.run_folder().join("bundle")).unwrap();
    bundle.verify().unwrap();
    assert_eq!(bundle.manifest().parity.as_ref().unwrap().prompts, 20);
    let report = reports.iter().find_map(|report| match report {
        Report::Evaluated { report, .. } => Some(report.clone()),
        _ => None,
    });
    let EvalReport { accuracy, low, high, n, .. } = report.unwrap();
    assert_eq!(n, TEST_QUESTIONS);
    assert!(low <= accuracy && accuracy <= high && high - low < 1.0);

    let (written, stamped) = (files(&micro.run_folder()), times(&micro));
    let again = run_all(&micro);
    assert!(again.iter().all(|report| matches!(report, Report::Finished { earlier: true, .. })), "{again:?}");
    assert_eq!(again.len(), StageName::ALL.len());
    assert!(files(&micro.run_folder()) == written);
    assert_eq!(times(&micro), stamped);
}

#[test]
fn the_program_writes_what_the_library_writes() {
    let (library, program) = (Micro::new(), Micro::new());
    run_all(&library);
    let output = program.stage("run").output().unwrap();
    let printed = succeeded(&output);
    assert!(printed.ends_with("done: the student is `runs/micro/bundle`\n"), "{printed}");
    assert!(output.stdout.is_empty(), "reports do not belong on the standard output");
    let (left, right) = (files(&library.run_folder()), files(&program.run_folder()));
    assert!(
        left == right,
        "{:?}",
        left.iter().zip(&right).find(|(left, right)| left != right).map(|(left, _)| &left.0)
    );
    let printed = succeeded(&program.stage("run").output().unwrap());
    assert_eq!(printed.matches("(done before)").count(), StageName::ALL.len(), "{printed}");
}

#[test]
fn the_stages_one_by_one_are_the_run() {
    let (whole, parts) = (Micro::new(), Micro::new());
    succeeded(&whole.stage("run").output().unwrap());
    for stage in ["teach", "filter", "samples", "train", "export"] {
        succeeded(&parts.stage(stage).output().unwrap());
        assert!(parts.run_folder().join(format!("{stage}.stage.toml")).exists());
    }
    assert!(files(&parts.run_folder().join("bundle")) == files(&whole.run_folder().join("bundle")));
}

#[test]
fn changed_settings_are_refused_by_the_stage_that_they_change() {
    let micro = Micro::new();
    succeeded(&micro.stage("train").output().unwrap());
    let before = files(&micro.run_folder());
    for (from, to, stage, key) in [
        ("learning_rate = 1e-2", "learning_rate = 2e-2", "train", "train.learning_rate"),
        ("layers = 1", "layers = 2", "train", "student.layers"),
        ("context_tokens = 192", "context_tokens = 256", "samples", "context_tokens"),
        ("frequent_words = 0.1", "frequent_words = 0.2", "samples", "tokenizer.frequent_words"),
        ("[tokenizer]", "[filter]\ngrader = \"published\"\n\n[tokenizer]", "filter", "grader"),
        ("questions = 160", "questions = 161", "teach", "source.1.program"),
    ] {
        micro.change(from, to);
        let output = micro.stage("run").output().unwrap();
        let expected = format!(
            "error: stage `{stage}` was finished with other inputs: expected those in `runs/micro/{stage}.stage.toml`, \
             found a difference in `{key}`\nhint: "
        );
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(printed.contains(&expected) && printed.contains("--name"), "{printed}");
        assert_eq!(output.status.code(), Some(2));
        assert!(files(&micro.run_folder()) == before, "a refusal changes nothing");
        micro.change(to, from);
    }
}

#[test]
fn vanilla_is_a_run_of_its_own_without_rationales() {
    let micro = Micro::new();
    succeeded(&micro.stage("run").arg("--vanilla").output().unwrap());
    assert!(!micro.run_folder().exists());
    let bundle = Bundle::open(micro.path("runs/micro-vanilla/bundle")).unwrap();
    assert_eq!(bundle.contract().marker(), None);
    let shown = micro.stage("samples").args(["--vanilla", "--show", "1"]).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("\nA:⟦ yes⏎⟧") || text.contains("\nA:⟦ no⏎⟧"), "{text}");
}
