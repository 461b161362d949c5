//! The committed experiments: what they train on, and what they must not.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use pupil_distill::dataset::Dataset;
use pupil_distill::experiment::{Experiment, Plan, SourcePlan};
use pupil_distill::interrupt::Interrupt;
use pupil_distill::pipeline::{Report, Run, StageName};
use pupil_distill::rationale::{RationaleError, RationaleRow, Reader, Stored, jsonl};
use pupil_distill::teacher::program::{Exclusions, ProgramTask};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The published data, or `None`, with the reason printed, where it is absent.
fn shared_data() -> Option<PathBuf> {
    let default = || Path::new(REPOSITORY).join("../shared/data");
    let folder = std::env::var_os("PUPIL_DATA").map_or_else(default, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    skip(&format!("no published data at `{}`", folder.display()));
    None
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// Runs a committed experiment through `last`; the counts of that stage, and the run's folder.
fn run(experiment: &str, runs: &Path, last: StageName) -> (BTreeMap<String, usize>, PathBuf) {
    let path = Path::new(REPOSITORY).join(experiment);
    let plan = Plan::new(&Experiment::read(&path).unwrap(), path.parent().unwrap(), runs).unwrap();
    let mut counts = None;
    let mut watch = |report| {
        if let Report::Finished { record, .. } = report {
            counts = Some(record.counts.into_iter().map(|(name, count)| (name, count as usize)).collect());
        }
    };
    Run::open(&plan, &Interrupt::new(), &mut watch).unwrap().through(last).unwrap();
    (counts.unwrap(), plan.folder)
}

/// What the teachers of a run wrote.
fn stored(run: &Path) -> Vec<RationaleRow> {
    let mut rows = Vec::new();
    let visit = |stored: Stored| {
        rows.push(stored.row);
        Ok::<(), RationaleError>(())
    };
    Reader::open(&run.join("rationales.db")).unwrap().visit(visit).unwrap();
    rows
}

/// A question without its white space.
fn marks(question: &str) -> String {
    question.split_whitespace().collect()
}

/// Regenerates the training questions of the shipped student.
#[test]
fn the_shipped_student_was_taught_no_test_question() {
    let folder = tempfile::tempdir().unwrap();
    let (counts, run) = run("models/students/symbolic.toml", folder.path(), StageName::Teach);
    let rows = stored(&run);
    assert_eq!(rows.len(), counts["completions"]);
    assert!(rows.len() > 10_000);
    let taught: HashSet<String> = rows.iter().map(|row| marks(&row.example.question)).collect();
    assert_eq!(taught.len(), rows.len(), "no question twice");

    let excluded = Exclusions::read(&Path::new(REPOSITORY).join("models/students/symbolic.exclude.txt")).unwrap();
    assert!(excluded.len() > 1000);
    assert!(!rows.iter().any(|row| excluded.contains(&row.example.question)));

    let Some(data) = shared_data() else { return };
    for task in ProgramTask::ALL {
        let dataset = Dataset::read(&data.join(format!("datasets/{task}.jsonl"))).unwrap();
        let split = data.join(format!("splits/{task}__default.json"));
        let test = dataset.split(&split, "test").unwrap();
        assert!(test.len() >= 100, "{task}");
        for example in test {
            assert!(excluded.contains(&example.question), "`{}` is not in the list", example.id);
            assert!(!taught.contains(&marks(&example.question)), "`{}` is among the training questions", example.id);
        }
    }
}

/// Every source of the shipped student names the list, so that a new source is not forgotten.
#[test]
fn every_source_of_the_shipped_student_avoids_the_test_questions() {
    let path = Path::new(REPOSITORY).join("models/students/symbolic.toml");
    let plan = Plan::new(&Experiment::read(&path).unwrap(), path.parent().unwrap(), Path::new("runs")).unwrap();
    assert!(!plan.sources.is_empty());
    for source in &plan.sources {
        let SourcePlan::Program { exclude: Some(list), .. } = source else { panic!("{source:?}") };
        assert!(fs::canonicalize(list).unwrap().ends_with("models/students/symbolic.exclude.txt"));
    }
}

/// Table of the published method: completions of text-davinci-002 whose answers are right.
#[test]
fn the_filter_keeps_as_many_recorded_completions_as_published() {
    if shared_data().is_none() || std::env::var_os("PUPIL_DATA").is_some() {
        skip("the committed experiments read `../shared/data`");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (task, kept) in [("coin_flip", 314), ("last_letter_concatenation", 201), ("tracking_shuffled_objects", 284)] {
        let experiment = format!("distill/experiments/recorded_{task}.toml");
        let (counts, run) = run(&experiment, folder.path(), StageName::Filter);
        assert_eq!(counts["kept"], kept, "{task}: {counts:?}");
        assert_eq!(jsonl::read(&run.join("kept.jsonl")).unwrap().len(), kept);
        assert_eq!(counts.values().sum::<usize>(), stored(&run).len());
    }
}
