//! A training that is stopped ends with the same bytes as one that is not, wherever it was stopped.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pupil_distill::filter::SampleWeight;
use pupil_distill::interrupt::Interrupt;
use pupil_distill::sample::TrainingSample;
use pupil_distill::train::{MetricRow, TrainError, TrainPlan, TrainReport, train};
use pupil_models::digest::Digest;

use crate::students::tiny;
use crate::training::{LESSON_STEPS, TOTAL_STEPS, samples, settings};

fn plan(folder: &Path) -> TrainPlan {
    TrainPlan {
        config: tiny(),
        initial_checkpoint: None,
        settings: settings(),
        fingerprint: Digest::of(b"resume"),
        folder: folder.to_owned(),
        weights: folder.join("model.safetensors"),
    }
}

fn trained(plan: &TrainPlan, interrupt: &Interrupt) -> Result<TrainReport, TrainError> {
    train(plan, &samples(60), interrupt)
}

/// What must be equal: the chosen weights, the log, and the moments in the last checkpoint.
fn outcome(folder: &Path) -> [Vec<u8>; 3] {
    let last = format!("checkpoints/step-{TOTAL_STEPS:08}.safetensors");
    ["model.safetensors", "metrics.jsonl", &last].map(|name| fs::read(folder.join(name)).unwrap())
}

fn checkpoint(folder: &Path, step: u32) -> std::path::PathBuf {
    folder.join(format!("checkpoints/step-{step:08}.safetensors"))
}

/// Asks for a stop as soon as `step` is saved; the step at which the training stopped, or `None` if it ended before.
fn stop_after(folder: &Path, step: u32) -> Option<u32> {
    stop_after_with(folder, step, &samples(60))
}

/// As [`stop_after`], learning from these samples.
fn stop_after_with(folder: &Path, step: u32, samples: &[TrainingSample]) -> Option<u32> {
    let interrupt = Interrupt::new();
    let wanted = checkpoint(folder, step);
    let stopper = interrupt.clone();
    let watcher = std::thread::spawn(move || {
        while !wanted.exists() && !stopper.is_requested() {
            std::thread::sleep(Duration::from_micros(200));
        }
        stopper.request();
    });
    let result = train(&plan(folder), samples, &interrupt);
    interrupt.request();
    watcher.join().unwrap();
    match result {
        Ok(_) => None,
        Err(TrainError::Interrupted { step }) => Some(step),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn stopped_again_and_again_or_resumed_from_any_step_it_ends_the_same() {
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().join("whole");
    let report = trained(&plan(&whole), &Interrupt::new()).unwrap();
    assert_eq!(report.steps, TOTAL_STEPS);
    assert!(report.chosen_step < TOTAL_STEPS, "weights from the middle are chosen, so that they must survive a stop");
    let expected = outcome(&whole);

    // One folder that is stopped after nearly every step; each checkpoint that is seen is set aside with the log.
    let chain = root.path().join("chain");
    let mut seen = Vec::new();
    for step in 1..TOTAL_STEPS {
        if checkpoint(&chain, step + 1).exists() {
            continue;
        }
        let Some(stopped) = stop_after(&chain, step) else { break };
        for kept in (1..=stopped).filter(|kept| checkpoint(&chain, *kept).exists()) {
            let aside = root.path().join(format!("from-{kept}"));
            fs::create_dir_all(aside.join("checkpoints")).unwrap();
            fs::copy(checkpoint(&chain, kept), checkpoint(&aside, kept)).unwrap();
            fs::copy(chain.join("metrics.jsonl"), aside.join("metrics.jsonl")).unwrap();
            seen.push(kept);
        }
    }
    trained(&plan(&chain), &Interrupt::new()).unwrap();
    assert!(outcome(&chain) == expected, "stopped at {seen:?}");

    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() > TOTAL_STEPS as usize / 2, "{seen:?}");
    for step in &seen {
        let folder = root.path().join(format!("from-{step}"));
        trained(&plan(&folder), &Interrupt::new()).unwrap();
        assert!(outcome(&folder) == expected, "resumed from step {step}");
    }
}

/// The steps of the test above cross what they should.
#[test]
fn the_training_crosses_a_lesson_and_epochs() {
    let folder = tempfile::tempdir().unwrap();
    trained(&plan(folder.path()), &Interrupt::new()).unwrap();
    let log = fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    let rows: Vec<MetricRow> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let epochs: Vec<u32> = rows.iter().map(|row| row.epoch).collect();
    assert_eq!(rows.len(), TOTAL_STEPS as usize);
    assert_eq!(epochs[LESSON_STEPS as usize], 0, "everything begins with its own first epoch: {epochs:?}");
    assert!(*epochs.last().unwrap() >= 2, "{epochs:?}");
}

#[test]
fn a_stop_before_the_first_step_is_saved_too() {
    let (whole, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trained(&plan(whole.path()), &Interrupt::new()).unwrap();
    let interrupt = Interrupt::new();
    interrupt.request();
    assert!(matches!(trained(&plan(stopped.path()), &interrupt), Err(TrainError::Interrupted { step: 0 })));
    trained(&plan(stopped.path()), &Interrupt::new()).unwrap();
    assert!(outcome(stopped.path()) == outcome(whole.path()));
}

#[test]
fn a_damaged_checkpoint_and_a_torn_log_change_nothing() {
    let (whole, damaged) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trained(&plan(whole.path()), &Interrupt::new()).unwrap();
    let stopped = stop_after(damaged.path(), 10).unwrap();
    let newest = checkpoint(damaged.path(), stopped);
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    let log = damaged.path().join("metrics.jsonl");
    fs::write(&log, fs::read_to_string(&log).unwrap() + "{\"step\":1").unwrap();
    let report = trained(&plan(damaged.path()), &Interrupt::new()).unwrap();
    assert_eq!(report.damaged_checkpoints, [newest]);
    assert!(outcome(damaged.path()) == outcome(whole.path()));
}

#[test]
fn the_state_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    stop_after(folder.path(), 2).unwrap();
    let mut other = plan(folder.path());
    other.fingerprint = Digest::of(b"other inputs");
    let before = fs::read_dir(folder.path().join("checkpoints")).unwrap().count();
    assert!(matches!(trained(&other, &Interrupt::new()), Err(TrainError::Fingerprint { .. })));
    assert_eq!(fs::read_dir(folder.path().join("checkpoints")).unwrap().count(), before);
}

#[test]
fn a_training_with_weights_resumes_to_the_same_bytes_and_learns_something_else() {
    let light = SampleWeight::try_from(0.25).unwrap();
    let mut samples = samples(60);
    samples.iter_mut().step_by(3).for_each(|sample| sample.weight = light);
    let [whole, stopped, plain] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let end = |folder: &Path| train(&plan(folder), &samples, &Interrupt::new()).unwrap();
    end(whole.path());
    let stops = [1, LESSON_STEPS, LESSON_STEPS + 3, TOTAL_STEPS - 2];
    let stops: Vec<u32> = stops.iter().filter_map(|step| stop_after_with(stopped.path(), *step, &samples)).collect();
    assert!(!stops.is_empty());
    end(stopped.path());
    assert!(outcome(stopped.path()) == outcome(whole.path()), "stopped at {stops:?}");
    trained(&plan(plain.path()), &Interrupt::new()).unwrap();
    assert!(outcome(plain.path()) != outcome(whole.path()));
}
