//! What is minimised: the mean cross-entropy of the completions' tokens, whatever the batches, and nothing of the prompts.

use std::fs;
use std::path::Path;

use pupil_distill::checkpoint::Checkpoint;
use pupil_distill::interrupt::Interrupt;
use pupil_distill::sample::TrainingSample;
use pupil_distill::student::ReferenceStudent;
use pupil_distill::train::{Duration, MetricRow, TrainPlan, TrainSettings, train};
use pupil_models::digest::Digest;

use pupil_distill::filter::SampleWeight;

use crate::students::{VOCABULARY, tiny, write_checkpoint};
use crate::training::{samples, settings};

fn close(left: f64, right: f64, relative: f64) -> bool {
    (left - right).abs() <= relative * right.abs()
}

/// Cross-entropy summed over the tokens after the prompt, in float64.
fn summed_loss(student: &ReferenceStudent, sample: &TrainingSample) -> f64 {
    let logits = student.logits(&sample.ids).unwrap();
    let loss = |position: usize| {
        let row = &logits[(position - 1) * VOCABULARY..position * VOCABULARY];
        let total: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
        total.ln() - f64::from(row[sample.ids[position] as usize])
    };
    (sample.prompt_tokens..sample.ids.len()).map(loss).sum()
}

/// The first row of the log of a training that starts from `checkpoint`.
fn first_row(folder: &Path, checkpoint: &Path, samples: &[TrainingSample], batch_tokens: usize) -> MetricRow {
    let plan = TrainPlan {
        config: tiny(),
        initial_checkpoint: Some(checkpoint.to_owned()),
        settings: TrainSettings {
            curriculum: vec![],
            duration: Duration::Steps(1),
            accumulation: 1000,
            batch_tokens,
            held_out: 0.0,
            ..settings()
        },
        fingerprint: Digest::of(b"loss"),
        folder: folder.to_owned(),
        weights: folder.join("model.safetensors"),
    };
    train(&plan, samples, &Interrupt::new()).unwrap();
    serde_json::from_str(fs::read_to_string(folder.join("metrics.jsonl")).unwrap().trim()).unwrap()
}

#[test]
fn the_loss_is_the_mean_over_the_completions_tokens_alone() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    write_checkpoint(&checkpoint, &tiny(), 3);
    let student = ReferenceStudent::open(&Checkpoint::open(&checkpoint).unwrap(), 1).unwrap();
    let samples = samples(24);
    let tokens: usize = samples.iter().map(TrainingSample::target_tokens).sum();
    let expected = samples.iter().map(|sample| summed_loss(&student, sample)).sum::<f64>() / tokens as f64;
    // One sample a batch, without padding; a few, padded; all in one.
    let rows = [1, 200, 100_000].map(|batch_tokens| {
        first_row(&folder.path().join(batch_tokens.to_string()), &checkpoint, &samples, batch_tokens)
    });
    for row in &rows {
        assert_eq!(row.target_tokens, tokens as u64);
        // Losses of order 10 in float32, summed in another order.
        assert!(close(row.loss, expected, 1e-5), "{} and {expected}", row.loss);
        assert!(close(row.gradient_norm, rows[0].gradient_norm, 1e-4), "{rows:?}");
    }
}

/// `samples` with weights that depend on their numbers: 1, `light`, 1, `light`, and so on.
fn weighed(samples: &[TrainingSample], light: f64) -> Vec<TrainingSample> {
    let weights = [1.0, light].map(|weight| SampleWeight::try_from(weight).unwrap());
    samples
        .iter()
        .zip(weights.into_iter().cycle())
        .map(|(sample, weight)| TrainingSample { weight, ..sample.clone() })
        .collect()
}

#[test]
fn with_weights_it_is_the_weighted_mean_over_the_tokens_whatever_the_batches() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    write_checkpoint(&checkpoint, &tiny(), 3);
    let student = ReferenceStudent::open(&Checkpoint::open(&checkpoint).unwrap(), 1).unwrap();
    let trained = |name: String, samples: &[TrainingSample], batch_tokens: usize| {
        first_row(&folder.path().join(name), &checkpoint, samples, batch_tokens)
    };
    let plain = samples(24);
    for light in [0.125, 0.5] {
        let samples = weighed(&plain, light);
        let sum: f64 = samples.iter().map(|sample| sample.weight.get() * summed_loss(&student, sample)).sum();
        let expected = sum / samples.iter().map(TrainingSample::weighed_tokens).sum::<f64>();
        let rows =
            [1, 200, 100_000].map(|batch_tokens| trained(format!("{light}-{batch_tokens}"), &samples, batch_tokens));
        for row in &rows {
            assert!(close(row.loss, expected, 1e-5), "{} and {expected}", row.loss);
            assert!(close(row.gradient_norm, rows[0].gradient_norm, 1e-4), "{rows:?}");
            assert_eq!(row.target_tokens, plain.iter().map(|sample| sample.target_tokens() as u64).sum::<u64>());
        }
    }

    // A sample that counts nothing teaches as much as one that is not there.
    let without: Vec<TrainingSample> = plain.iter().step_by(2).cloned().collect();
    let (zero, dropped) =
        (trained("zero".to_owned(), &weighed(&plain, 0.0), 200), trained("dropped".to_owned(), &without, 200));
    assert!(close(zero.loss, dropped.loss, 1e-5) && close(zero.gradient_norm, dropped.gradient_norm, 1e-4));
    assert_ne!(zero.target_tokens, dropped.target_tokens);

    // A weight of 1 is the same as none, bit for bit.
    let (full, none) =
        (trained("full".to_owned(), &weighed(&plain, 1.0), 200), trained("none".to_owned(), &plain, 200));
    assert_eq!(
        (full.loss.to_bits(), full.gradient_norm.to_bits()),
        (none.loss.to_bits(), none.gradient_norm.to_bits())
    );
    let written = |name: &str| fs::read(folder.path().join(name).join("model.safetensors")).unwrap();
    assert!(written("full") == written("none"));
    assert!(written("full") != written("zero"));
}
