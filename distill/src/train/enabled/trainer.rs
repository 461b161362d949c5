//! The loop: batches in, updated weights, checkpoints and metrics out.

use std::path::{Path, PathBuf};

use pupil_models::family::{self, WeightShape};
use tch::{TchError, Tensor};

use super::loss::{collate, weighed_sum, weighed_tokens};
use super::optimizer::{AdamW, clip};
use super::state::{Buffers, CheckpointStore, Position};
use crate::checkpoint::{CheckpointWeights, write_weights};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::sample::TrainingSample;
use crate::student::{FlatWeights, Rotary, logits};
use crate::train::{
    BatchPlan, Curriculum, MetricRow, MetricsLog, Schedule, Selection, TrainError, TrainPlan, TrainReport, hold_out,
    initial_values,
};

/// Updates in a row that may be skipped before a run counts as diverged.
const MAX_SKIPPED: u32 = 3;

/// Trains to the end of the plan, or until `interrupt`, from the newest whole checkpoint if there is one.
///
/// # Errors
/// See [`TrainError`]; whatever happens, the newest checkpoint stays usable.
pub fn train(plan: &TrainPlan, samples: &[TrainingSample], interrupt: &Interrupt) -> Result<TrainReport, TrainError> {
    tch::set_num_threads(plan.settings.threads as i32);
    Trainer::resume(plan, samples)?.run(interrupt)
}

struct Trainer<'a> {
    plan: &'a TrainPlan,
    table: Vec<WeightShape>,
    training: Vec<&'a TrainingSample>,
    held_out: Vec<&'a TrainingSample>,
    curriculum: Curriculum,
    total_steps: u32,
    schedule: Schedule,
    store: CheckpointStore,
    metrics: MetricsLog,
    weights: FlatWeights,
    rotary: Rotary,
    optimizer: AdamW,
    position: Position,
    best_weights: Vec<f32>,
    damaged_checkpoints: Vec<PathBuf>,
}

/// Weighed mean loss and gradient norm of one optimizer step.
struct StepOutcome {
    loss: f64,
    gradient_norm: f64,
    learning_rate: f64,
}

impl<'a> Trainer<'a> {
    fn resume(plan: &'a TrainPlan, samples: &'a [TrainingSample]) -> Result<Self, TrainError> {
        let settings = &plan.settings;
        let (training, held_out) = hold_out(samples, settings.held_out, settings.seed);
        let curriculum = Curriculum::new(settings, &training);
        let total_steps = curriculum.total_steps();
        let store = CheckpointStore::open(&plan.folder.join("checkpoints"), plan.fingerprint, settings.threads)?;
        let table = family::weights(&plan.config);
        let newest = store.newest()?;
        let (position, buffers) = match newest.saved {
            Some(saved) => saved,
            None => (Position::default(), initial_buffers(plan, &table)?),
        };
        let metrics = MetricsLog::resume(&plan.folder.join("metrics.jsonl"), position.step)?;
        let build = || -> Result<_, TchError> {
            let mut optimizer = AdamW::new(&table, settings)?;
            optimizer.first = Tensor::f_from_slice(&buffers.first)?;
            optimizer.second = Tensor::f_from_slice(&buffers.second)?;
            Ok((FlatWeights::new(&table, &buffers.weights)?, Rotary::new(&plan.config)?, optimizer))
        };
        let (weights, rotary, optimizer) = build().map_err(|error| torch_error(&error, position.step, &[]))?;
        Ok(Self {
            schedule: Schedule::new(settings, total_steps),
            best_weights: buffers.best,
            plan,
            table,
            training,
            held_out,
            curriculum,
            total_steps,
            store,
            metrics,
            weights,
            rotary,
            optimizer,
            position,
            damaged_checkpoints: newest.damaged,
        })
    }

    fn run(mut self, interrupt: &Interrupt) -> Result<TrainReport, TrainError> {
        let bar = Progress::new("train", "steps", u64::from(self.total_steps), u64::from(self.position.step));
        let mut epoch = self.curriculum.epoch(self.position.phase, self.position.epoch);
        while self.position.step < self.total_steps {
            if interrupt.is_requested() {
                self.save()?;
                return Err(TrainError::Interrupted { step: self.position.step });
            }
            if self.turn_page(epoch.len()) {
                epoch = self.curriculum.epoch(self.position.phase, self.position.epoch);
            }
            let end = (self.position.batch + self.plan.settings.accumulation).min(epoch.len());
            let outcome = self.step(&epoch[self.position.batch..end])?;
            self.position.batch = end;
            self.log(&outcome, &bar)?;
            if self.position.step.is_multiple_of(self.plan.settings.checkpoint_every) {
                self.save()?;
            }
        }
        bar.finish();
        self.finish()
    }

    /// Goes on to the next phase or epoch when it is due; whether it was.
    fn turn_page(&mut self, batches_in_epoch: usize) -> bool {
        let phase = self.curriculum.phase(self.position.step);
        let epoch = if phase != self.position.phase {
            0
        } else if self.position.batch >= batches_in_epoch {
            self.position.epoch + 1
        } else {
            return false;
        };
        (self.position.phase, self.position.epoch, self.position.batch) = (phase, epoch, 0);
        true
    }

    /// One optimizer step over `group`, a few batches of sample indices.
    fn step(&mut self, group: &[Vec<usize>]) -> Result<StepOutcome, TrainError> {
        let step = self.position.step + 1;
        let samples = || group.iter().flatten().map(|&index| self.training[index]);
        let target_tokens: usize = samples().map(TrainingSample::target_tokens).sum();
        let scale = weighed_tokens(samples());
        let mut sum: Option<(Tensor, f64)> = None;
        for batch in group {
            let rows: Vec<&TrainingSample> = batch.iter().map(|&index| self.training[index]).collect();
            let (gradient, loss) = self.gradient(&rows, scale).map_err(|error| torch_error(&error, step, &rows))?;
            sum = Some(match sum {
                Some((total, losses)) => (total + gradient, losses + loss),
                None => (gradient, loss),
            });
        }
        let (mut gradient, loss) = sum.unwrap_or_else(|| (self.weights.flat().zeros_like(), 0.0));
        let learning_rate = self.schedule.learning_rate(step);
        let gradient_norm = self.update(&mut gradient, learning_rate, step)?;
        self.position.step = step;
        self.position.target_tokens += target_tokens as u64;
        let smoothed = self.position.smoothed_loss;
        self.position.smoothed_loss = if step == 1 { loss } else { 0.95 * smoothed + 0.05 * loss };
        Ok(StepOutcome { loss, gradient_norm, learning_rate })
    }

    fn update(&mut self, gradient: &mut Tensor, learning_rate: f64, step: u32) -> Result<f64, TrainError> {
        let failed = |error: TchError| torch_error(&error, step, &[]);
        let norm = clip(gradient, self.plan.settings.clip_norm).map_err(failed)?;
        if norm.is_finite() {
            self.position.skipped = 0;
            self.optimizer.update(self.weights.flat(), gradient, learning_rate, step).map_err(failed)?;
        } else {
            self.position.skipped += 1;
            if self.position.skipped > MAX_SKIPPED {
                return Err(TrainError::Diverged { step, found: norm });
            }
        }
        Ok(norm)
    }

    /// Flat gradient, and value, of the weighed sum of the losses of `rows` divided by `scale`.
    fn gradient(&self, rows: &[&TrainingSample], scale: f64) -> Result<(Tensor, f64), TchError> {
        let loss = self.summed_loss(rows)?.f_div_scalar(scale)?;
        let gradients = Tensor::f_run_backward(&[&loss], self.weights.views(), false, false)?;
        let flat: Vec<Tensor> = gradients.iter().map(|gradient| gradient.f_reshape([-1])).collect::<Result<_, _>>()?;
        Ok((Tensor::f_cat(&flat, 0)?, f64::try_from(&loss)?))
    }

    /// Cross-entropy summed over the target tokens of `rows`, each times its sample's weight.
    fn summed_loss(&self, rows: &[&TrainingSample]) -> Result<Tensor, TchError> {
        let (batch, targets) = collate(rows)?;
        let logits = logits(&self.plan.config, &self.weights, &self.rotary, &batch)?;
        weighed_sum(&logits, &targets, rows)
    }

    fn log(&mut self, outcome: &StepOutcome, bar: &Progress) -> Result<(), TrainError> {
        let step = self.position.step;
        let evaluates = step.is_multiple_of(self.plan.settings.evaluate_every) || step == self.total_steps;
        let held_out_loss = if evaluates { self.evaluate_held_out()? } else { None };
        self.metrics.append(&MetricRow {
            step,
            epoch: self.position.epoch,
            loss: outcome.loss,
            held_out_loss,
            learning_rate: outcome.learning_rate,
            gradient_norm: outcome.gradient_norm,
            target_tokens: self.position.target_tokens,
        })?;
        let best = self.position.best.map(|(loss, _)| format!(", held-out {loss:.4}")).unwrap_or_default();
        bar.note(format!("· loss {:.4}{best}", self.position.smoothed_loss));
        bar.advance();
        Ok(())
    }

    /// Held-out loss, the same weighed mean as in training; the student's weights are remembered if it is the lowest so far.
    fn evaluate_held_out(&mut self) -> Result<Option<f64>, TrainError> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let step = self.position.step;
        let _guard = tch::no_grad_guard();
        let lengths = self.held_out.iter().map(|sample| sample.ids.len()).collect();
        let mut sum = 0.0;
        for batch in BatchPlan::new(lengths, self.plan.settings.batch_tokens, 0).epoch(0) {
            let rows: Vec<&TrainingSample> = batch.iter().map(|&index| self.held_out[index]).collect();
            let loss = self.summed_loss(&rows).and_then(f64::try_from);
            sum += loss.map_err(|error| torch_error(&error, step, &rows))?;
        }
        let loss = sum / weighed_tokens(self.held_out.iter().copied());
        if self.position.best.is_none_or(|(best, _)| loss < best) {
            self.position.best = Some((loss, step));
            if self.plan.settings.selection == Selection::HeldOut {
                self.best_weights = self.weights.values().map_err(|error| torch_error(&error, step, &[]))?;
            }
        }
        Ok(Some(loss))
    }

    fn save(&self) -> Result<(), TrainError> {
        let read = || -> Result<Buffers, TchError> {
            Ok(Buffers {
                weights: self.weights.values()?,
                first: Vec::try_from(&self.optimizer.first)?,
                second: Vec::try_from(&self.optimizer.second)?,
                best: self.best_weights.clone(),
            })
        };
        let buffers = read().map_err(|error| torch_error(&error, self.position.step, &[]))?;
        self.store.save(&self.position, &buffers)
    }

    fn finish(self) -> Result<TrainReport, TrainError> {
        self.save()?;
        let step = self.position.step;
        let (values, chosen_step) = match (self.plan.settings.selection, self.position.best) {
            (Selection::HeldOut, Some((_, best_step))) => (self.best_weights, best_step),
            _ => (self.weights.values().map_err(|error| torch_error(&error, step, &[]))?, step),
        };
        write_final(&self.plan.weights, &self.table, &values)?;
        Ok(TrainReport {
            steps: step,
            final_loss: self.position.smoothed_loss,
            held_out_loss: self.position.best.map(|(loss, _)| loss),
            chosen_step,
            target_tokens: self.position.target_tokens,
            damaged_checkpoints: self.damaged_checkpoints,
        })
    }
}

fn write_final(path: &Path, table: &[WeightShape], values: &[f32]) -> Result<(), TrainError> {
    write_weights(path, table, values).map_err(|source| TrainError::File { path: path.to_owned(), source })
}

fn initial_buffers(plan: &TrainPlan, table: &[WeightShape]) -> Result<Buffers, TrainError> {
    let weights = match &plan.initial_checkpoint {
        Some(folder) => CheckpointWeights::open(folder, &plan.config)?.flat_values(table)?,
        None => initial_values(&plan.config, plan.settings.seed, plan.settings.initial_deviation),
    };
    let zeros = vec![0.0; weights.len()];
    Ok(Buffers { first: zeros.clone(), second: zeros, best: Vec::new(), weights })
}

fn torch_error(error: &TchError, step: u32, rows: &[&TrainingSample]) -> TrainError {
    let tokens = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
    TrainError::Torch { step, rows: rows.len(), tokens, reason: error.to_string() }
}
