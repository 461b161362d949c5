//! The questions by which a form of the student is chosen.

use std::collections::{HashMap, HashSet};

use super::data::{KEPT, SAMPLES};
use super::stage::Inputs;
use super::student::examples;
use super::{PipelineError, Run};
use crate::dataset::{Dataset, Example};
use crate::experiment::GateSettings;
use crate::quantize::calibration::{Calibration, CalibrationPlan};
use crate::rationale::jsonl;
use crate::sample;
use crate::train::hold_out;

impl Run<'_> {
    /// What the choice of a form depends on.
    pub(super) fn gate_inputs(&self, gate: &GateSettings, inputs: &mut Inputs) -> Result<(), PipelineError> {
        inputs.settings("format", &gate.format);
        inputs.settings("within", &gate.within);
        if gate.calibration != Calibration::None {
            inputs.settings("calibration", &gate.calibration);
            inputs.file("calibration_samples", &self.path(SAMPLES))?;
        }
        inputs.settings("questions", &gate.questions);
        match &gate.data {
            None => inputs.file("samples", &self.path(SAMPLES))?,
            Some(data) => inputs.file("data", data)?,
        }
        if let Some(split) = &gate.split {
            inputs.file("split", &split.path)?;
            inputs.settings("split_name", &split.name);
        }
        Ok(())
    }

    /// At most as many questions as the plan wants, spread over all there are: those that the plan names, or else those of
    /// which the trainer held out every rationale. None of them is asked in a test.
    ///
    /// # Errors
    /// The plan names questions of a test; a file cannot be read.
    pub(super) fn gate_examples(&self, gate: &GateSettings) -> Result<Vec<Example>, PipelineError> {
        let tested = self.tested_questions()?;
        let is_tested = |example: &Example| tested.contains(example.question.trim());
        let mut found = match &gate.data {
            Some(data) => {
                let dataset = Dataset::read(data)?;
                let named = match &gate.split {
                    Some(split) => dataset.split(&split.path, &split.name)?,
                    None => dataset.examples().to_vec(),
                };
                if let Some(example) = named.iter().find(|example| is_tested(example)) {
                    return Err(PipelineError::ChoiceOnTest { id: example.id.clone() });
                }
                named
            }
            None => self.held_out_examples()?,
        };
        found.retain(|example| !is_tested(example));
        let stride = (found.len() / gate.questions).max(1);
        Ok(found.into_iter().step_by(stride).take(gate.questions).collect())
    }

    /// What the student reads before its weights are rounded.
    pub(super) fn calibration(&self, gate: &GateSettings) -> Result<CalibrationPlan, PipelineError> {
        if gate.calibration == Calibration::None {
            return Ok(CalibrationPlan::default());
        }
        Ok(CalibrationPlan::read(gate.calibration, &self.path(SAMPLES))?)
    }

    /// The examples that the trainer learned nothing about, in the order of the samples.
    fn held_out_examples(&self) -> Result<Vec<Example>, PipelineError> {
        let samples = sample::read(&self.path(SAMPLES))?;
        let settings = &self.plan.train;
        let (learned, held) = hold_out(&samples, settings.held_out, settings.seed);
        let learned: HashSet<&str> = learned.iter().map(|sample| example_of(&sample.id)).collect();
        let mut examples: HashMap<String, Example> = HashMap::new();
        for kept in jsonl::read(&self.path(KEPT))? {
            examples.insert(kept.row.example.id.clone(), kept.row.example);
        }
        let unseen = held.iter().map(|sample| example_of(&sample.id)).filter(|id| !learned.contains(id));
        // Taken out, so that an example with several rationales is asked once.
        Ok(unseen.filter_map(|id| examples.remove(id)).collect())
    }

    /// Questions that the plan's student is tested on.
    fn tested_questions(&self) -> Result<HashSet<String>, PipelineError> {
        let mut questions = HashSet::new();
        for eval in self.plan.evals.iter().filter(|eval| !eval.optional || eval.data.exists()) {
            questions.extend(examples(eval)?.into_iter().map(|example| example.question.trim().to_owned()));
        }
        Ok(questions)
    }
}

/// The example that a rationale is about: `coin_flip/12` of `coin_flip/12#0`.
fn example_of(rationale: &str) -> &str {
    rationale.rsplit_once('#').map_or(rationale, |(example, _)| example)
}
