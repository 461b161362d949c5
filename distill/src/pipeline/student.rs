//! The stages that make and measure the student: train, export, eval.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use pupil_models::bundle::{Bundle, CONFIG, MANIFEST, Parity, TOKENIZER, WEIGHTS};
use pupil_models::config::StudentConfig;
use pupil_models::durable;
use pupil_models::tokenizer::Tokenizer;
use pupil_runtime::{Engine, EngineOptions};

use super::data::{KEPT, SAMPLES};
use super::stage::Inputs;
use super::{PipelineError, Report, Run, StageName};
use crate::dataset::{Dataset, Example};
use crate::eval::budget::by_budget;
use crate::eval::harness::Subject;
use crate::eval::{EvalReport, evaluate, files};
use crate::experiment::{EvalPlan, StudentPlan};
use crate::export::search::Form;
use crate::export::{ExportPlan, NativeForms, QuantisedPlan, export, table};
use crate::rationale::jsonl;
use crate::sample;
use crate::train::{TrainPlan, train};
use crate::vocabulary::END_OF_TEXT;

/// The trained student as a Hugging Face style folder.
const CHECKPOINT: &str = "checkpoint";
/// The exported student.
const BUNDLE: &str = "bundle";

impl Run<'_> {
    pub(super) fn train(&mut self) -> Result<(), PipelineError> {
        let tokenizer = self.tokenizer_path();
        let mut inputs = Inputs::default();
        inputs.file("samples", &self.path(SAMPLES))?;
        inputs.settings("train", &self.plan.train);
        let initial_checkpoint = match &self.plan.student {
            StudentPlan::Scratch { sizes, .. } => {
                inputs.settings("student", sizes);
                None
            }
            StudentPlan::Checkpoint(checkpoint) => {
                inputs.digest("student", checkpoint.weights().digest()?);
                Some(checkpoint.folder().to_owned())
            }
        };
        self.once(StageName::Train, StageName::Train.as_str(), inputs, |run, stage| {
            let config = run.student_config(&tokenizer)?;
            let checkpoint = run.path(CHECKPOINT);
            let failed = |source| PipelineError::File { path: checkpoint.clone(), source };
            fs::create_dir_all(&checkpoint).map_err(failed)?;
            let plan = TrainPlan {
                initial_checkpoint,
                settings: run.plan.train.clone(),
                fingerprint: stage.fingerprint(),
                folder: run.path("train"),
                weights: checkpoint.join(WEIGHTS),
                config,
            };
            let samples = sample::read(&run.path(SAMPLES))?;
            let report = train(&plan, &samples, run.interrupt)?;
            for path in &report.damaged_checkpoints {
                (run.watch)(Report::Note(format!("checkpoint `{}` was damaged and passed over", path.display())));
            }
            durable::write(&checkpoint.join(CONFIG), plan.config.to_json().as_bytes()).map_err(failed)?;
            let tokenizer = fs::read(&tokenizer).map_err(failed)?;
            durable::write(&checkpoint.join(TOKENIZER), &tokenizer).map_err(failed)?;
            let mut counts = vec![
                ("parameters", plan.config.parameter_count() as f64),
                ("steps", f64::from(report.steps)),
                ("chosen_step", f64::from(report.chosen_step)),
                ("target_tokens", report.target_tokens as f64),
                ("final_loss", report.final_loss),
            ];
            counts.extend(report.held_out_loss.map(|loss| ("held_out_loss", loss)));
            Ok(counts)
        })
    }

    fn tokenizer_path(&self) -> PathBuf {
        match &self.plan.student {
            StudentPlan::Scratch { .. } => self.path(TOKENIZER),
            StudentPlan::Checkpoint(checkpoint) => checkpoint.path(TOKENIZER),
        }
    }

    fn student_config(&self, tokenizer: &Path) -> Result<StudentConfig, PipelineError> {
        match &self.plan.student {
            StudentPlan::Checkpoint(checkpoint) => Ok(checkpoint.config().clone()),
            StudentPlan::Scratch { sizes, .. } => {
                let tokenizer = Tokenizer::read(tokenizer).map_err(pupil_models::bundle::BundleError::from)?;
                Ok(sizes.config(tokenizer.vocab_size(), tokenizer.token_id(END_OF_TEXT).unwrap_or(0)))
            }
        }
    }

    pub(super) fn export(&mut self) -> Result<(), PipelineError> {
        let mut inputs = Inputs::default();
        for name in [CONFIG, WEIGHTS, TOKENIZER] {
            inputs.file(name, &self.path(CHECKPOINT).join(name))?;
        }
        inputs.settings("contract", &self.plan.contract);
        inputs.settings("parity_prompts", &self.plan.parity_prompts);
        if let Some(gate) = &self.plan.gate {
            self.gate_inputs(gate, &mut inputs)?;
        }
        self.once(StageName::Export, StageName::Export.as_str(), inputs, |run, _| {
            let kept = jsonl::read(&run.path(KEPT))?;
            // Spread over the whole file, so that every source is among them.
            let stride = (kept.len() / run.plan.parity_prompts).max(1);
            let rows = kept.iter().step_by(stride).take(run.plan.parity_prompts);
            let questions: Vec<String> = rows.map(|kept| kept.row.example.question.clone()).collect();
            let threads = NonZeroUsize::new(run.plan.train.threads).unwrap_or(NonZeroUsize::MIN);
            let gate = run.plan.gate.as_ref();
            let examples = gate.map(|gate| run.gate_examples(gate)).transpose()?.unwrap_or_default();
            let calibration = gate.map(|gate| run.calibration(gate)).transpose()?.unwrap_or_default();
            let writer = NativeForms::new(threads, run.interrupt.clone(), calibration);
            let manifest = export(
                &ExportPlan {
                    checkpoint: &run.path(CHECKPOINT),
                    contract: &run.plan.contract,
                    name: &run.plan.name,
                    questions: &questions,
                    quantised: gate.map(|gate| QuantisedPlan {
                        form: gate.format.map(Form::Uniform),
                        within: gate.within,
                        examples: &examples,
                        writer: &writer,
                    }),
                    threads,
                    force: run.plan.force,
                    target: &run.path(BUNDLE),
                },
                run.interrupt,
            )?;
            let parity = manifest.parity.unwrap_or_default();
            if parity.gate.is_some() {
                (run.watch)(Report::Table(table(&parity)));
            }
            Ok(proof_counts(&parity))
        })
    }

    /// Refuses test data that is not there before hours of training, not after them.
    pub(super) fn require_test_data(&self) -> Result<(), PipelineError> {
        for eval in self.plan.evals.iter().filter(|eval| !eval.optional || eval.data.exists()) {
            examples(eval)?;
        }
        Ok(())
    }

    pub(super) fn eval(&mut self) -> Result<(), PipelineError> {
        for eval in &self.plan.evals {
            if eval.optional && !eval.data.exists() {
                let note = format!("evaluation `{}` is passed over: `{}` is not there", eval.name, eval.data.display());
                (self.watch)(Report::Note(note));
                continue;
            }
            self.eval_one(eval)?;
        }
        Ok(())
    }

    fn eval_one(&mut self, eval: &EvalPlan) -> Result<(), PipelineError> {
        let name = format!("eval-{}", eval.name);
        let mut inputs = Inputs::default();
        inputs.file("bundle", &self.path(BUNDLE).join(MANIFEST))?;
        inputs.file("data", &eval.data)?;
        if let Some(split) = &eval.split {
            inputs.file("split", &split.path)?;
            inputs.settings("split_name", &split.name);
        }
        if !eval.budgets.is_empty() {
            inputs.settings("budgets", &eval.budgets);
        }
        self.once(StageName::Eval, &name, inputs, |run, _| {
            let bundle = Bundle::open(run.path(BUNDLE))?;
            let mut engine = Engine::open_with(&bundle, &EngineOptions::default())?;
            let examples = examples(eval)?;
            let folder = &run.plan.folder;
            let failed = |source| PipelineError::File { path: folder.clone(), source };
            if !eval.budgets.is_empty() {
                let budgets = by_budget(&mut engine, &examples, &eval.budgets, run.interrupt)?;
                files::write_budgets(folder, &eval.name, &budgets).map_err(failed)?;
            }
            let evaluated = evaluate(&mut engine, &examples, run.interrupt)?;
            let subject = Subject { model: run.plan.name.clone(), ..eval.subject(Subject::trained(engine.contract())) };
            files::write(folder, &eval.name, &subject, &examples, &evaluated).map_err(failed)?;
            let (report, _) = evaluated;
            (run.watch)(Report::Evaluated { name: eval.name.clone(), report: report.clone() });
            Ok(counts(&report))
        })
    }
}

pub(super) fn examples(eval: &EvalPlan) -> Result<Vec<Example>, PipelineError> {
    let dataset = Dataset::read(&eval.data)?;
    match &eval.split {
        Some(split) => Ok(dataset.split(&split.path, &split.name)?),
        None => Ok(dataset.examples().to_vec()),
    }
}

/// What a stage record tells about the proof of parity, and about the form that was chosen.
fn proof_counts(parity: &Parity) -> Vec<(&'static str, f64)> {
    let mut counts = vec![
        ("parity_prompts", parity.prompts as f64),
        ("equal_greedy_completions", parity.equal_greedy_completions as f64),
        ("max_logit_difference", f64::from(parity.max_logit_difference)),
    ];
    if let Some((rung, answers)) = parity.chosen().and_then(|rung| Some((rung, rung.answers?))) {
        counts.extend([
            ("forms_tried", parity.ladder.len() as f64),
            ("graph_and_weights_bytes", rung.bytes as f64),
            ("gate_questions", answers.questions as f64),
            ("difference_points", answers.difference_points),
            ("low_points", answers.low_points),
        ]);
    }
    counts
}

pub(super) fn counts(report: &EvalReport) -> Vec<(&'static str, f64)> {
    vec![
        ("accuracy", report.accuracy),
        ("low", report.low),
        ("high", report.high),
        ("n", report.n as f64),
        ("format_rate", report.format_rate),
        ("completeness", report.completeness),
    ]
}
