//! The rungs of one export: every form measured on the same prompts and the same held-out questions.

use pupil_models::bundle::{Gate, Parity, Rung};
use pupil_runtime::Engine;
use pupil_runtime::backend::Backend;

use super::ExportError;
use super::parity::{self, GreedyPath, Proved, Reference, Tolerance};
use crate::dataset::Example;
use crate::interrupt::Interrupt;

/// What a form may lose, and on which questions that is measured.
#[derive(Clone, Copy, Debug)]
pub struct GatePlan<'a> {
    /// What it may lose.
    pub within: Tolerance,
    /// Questions that the student was not trained on, and that nobody tests it on: the choice of a form is a choice made for
    /// their sake.
    pub examples: &'a [Example],
    /// Measure, and write the bundle, whatever comes out.
    pub force: bool,
}

/// The measurements so far, the float32 graph's first.
#[derive(Debug)]
pub struct Ladder<'a, R: Reference> {
    reference: &'a R,
    plan: GatePlan<'a>,
    proved: Proved,
    /// Which examples the float32 graph answers right.
    right: Vec<bool>,
    interrupt: &'a Interrupt,
}

impl<'a, R: Reference> Ladder<'a, R> {
    /// Asks the float32 graph in `engine`, which `proved` is about, the questions of the gate.
    ///
    /// # Errors
    /// There are too few questions for any form to be shown to be inside, unless the bundle is forced; a question cannot be
    /// answered; somebody asked to stop.
    pub fn new<B: Backend>(
        engine: &mut Engine<B>,
        mut proved: Proved,
        reference: &'a R,
        plan: GatePlan<'a>,
        interrupt: &'a Interrupt,
    ) -> Result<Self, ExportError> {
        let right = parity::right_answers(engine, plan.examples, interrupt, |_| false)?;
        let answers = parity::flips(&right, &right);
        if !plan.within.holds(&answers) && !plan.force {
            return Err(ExportError::FewQuestions {
                within: plan.within,
                expected: plan.within.least_questions(answers.float32_correct, answers.questions),
                found: answers.questions,
            });
        }
        for rung in &mut proved.parity.ladder {
            rung.answers = Some(answers);
        }
        Ok(Self { reference, plan, proved, right, interrupt })
    }

    /// Measures another form of the student, `bytes` large, and tells whether it is inside the tolerance.
    ///
    /// A form that cannot be inside any more is asked no further questions, unless the bundle is forced; its row tells how
    /// many it was asked.
    ///
    /// # Errors
    /// It cannot be computed with; somebody asked to stop.
    pub fn measure<B: Backend>(&mut self, engine: &mut Engine<B>, form: &str, bytes: u64) -> Result<bool, ExportError> {
        let paths = &self.proved.paths;
        let (prompts, completions) = parity::logit_errors(engine, self.reference, paths, self.interrupt)?;
        let greedy = parity::agreement(engine, paths, self.interrupt)?;
        let GatePlan { within, examples, force } = self.plan;
        let lost = |right: &[bool]| !force && within.is_lost(&self.right, right);
        let right = parity::right_answers(engine, examples, self.interrupt, lost)?;
        let (answers, inside) = within.judge(&self.right, &right);
        let rung = Rung { form: form.to_owned(), bytes, prompts, completions, greedy, answers: Some(answers) };
        self.proved.parity.ladder.push(rung);
        Ok(inside)
    }

    /// Who the forms are measured against.
    pub(super) fn reference(&self) -> &'a R {
        self.reference
    }

    /// libtorch's own completions.
    pub(super) fn paths(&self) -> &[GreedyPath] {
        &self.proved.paths
    }

    /// Whether somebody asked to stop.
    pub(super) fn interrupt(&self) -> &Interrupt {
        self.interrupt
    }

    /// The rows so far.
    #[must_use]
    pub fn rungs(&self) -> &[Rung] {
        &self.proved.parity.ladder
    }

    /// The manifest's record of an export whose bundle has this form.
    ///
    /// # Errors
    /// The form is outside the tolerance, and the bundle is not forced.
    pub fn seal(self, form: &str, inside: bool) -> Result<Parity, ExportError> {
        let within = self.plan.within;
        let answers = self.rungs().iter().rev().find(|rung| rung.form == form).and_then(|rung| rung.answers);
        if let (false, false, Some(answers)) = (inside, self.plan.force, answers) {
            return Err(ExportError::Outside { form: form.to_owned(), within, answers: Box::new(answers) });
        }
        let mut parity = self.proved.parity;
        parity.gate = Some(Gate { within_points: within.points(), form: form.to_owned(), inside });
        Ok(parity)
    }
}
