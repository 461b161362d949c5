//! Evaluation: a student answers the questions of a split through the runtime, and the answers are graded.
//!
//! [`evaluate`] asks a bundle as it was trained to be asked; [`prompted`] asks it as students are asked that nobody trained
//! to reason, the published baselines; [`budget`] measures what a smaller token budget costs. [`Paired`] tells whether two
//! methods differ. [`harness`] writes results in the form of lm-evaluation-harness.

pub mod baseline;
pub mod budget;
mod error;
pub mod files;
mod graded;
pub mod harness;
mod interval;
mod paired;
pub mod prompted;

pub use error::EvalError;
pub use graded::{EvalReport, GradedCompletion, Grading};
pub use interval::wilson;
pub use paired::{Paired, mcnemar};
pub use prompted::PromptingMethod;

use pupil_models::contract::ReasoningContract;
use pupil_runtime::{Engine, GenerateError, Request};

use crate::dataset::Example;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// A result with the completions it was counted from.
pub type Evaluated = (EvalReport, Vec<GradedCompletion>);

/// Answers and grades `examples`, greedily, as the bundle's contract says.
///
/// The grader is the contract's; the kind of answer is the task's if the task is a published one, else the contract's.
///
/// # Errors
/// [`EvalError`] if there is no example, a question cannot be answered, or somebody asked to stop.
pub fn evaluate(engine: &mut Engine, examples: &[Example], interrupt: &Interrupt) -> Result<Evaluated, EvalError> {
    let contract = engine.contract().clone();
    let grading = Grading::of(&contract);
    let graded = answer_each(examples, interrupt, |example| {
        let solution = engine.solve(&example.question, &Request::default())?;
        Ok(grading.grade(example, contract.prompt(&example.question), solution))
    })?;
    Ok((grading.report(trained_method(&contract), examples, &graded), graded))
}

/// The method by which a bundle with this contract was taught.
#[must_use]
pub fn trained_method(contract: &ReasoningContract) -> &'static str {
    if contract.answer_marker.is_some() { "fine_tune_cot" } else { "fine_tune" }
}

/// What `answer` makes of each example, with a progress bar, until somebody asks to stop.
fn answer_each(
    examples: &[Example],
    interrupt: &Interrupt,
    mut answer: impl FnMut(&Example) -> Result<GradedCompletion, GenerateError>,
) -> Result<Vec<GradedCompletion>, EvalError> {
    if examples.is_empty() {
        return Err(EvalError::Empty);
    }
    let bar = Progress::new("eval", "questions", examples.len() as u64, 0);
    let mut graded = Vec::with_capacity(examples.len());
    let mut correct = 0;
    for example in examples {
        if interrupt.is_requested() {
            return Err(EvalError::Interrupted { done: graded.len(), total: examples.len() });
        }
        let one = answer(example).map_err(|source| EvalError::Generate { id: example.id.clone(), source })?;
        correct += usize::from(one.correct);
        graded.push(one);
        bar.note(format!("· {:.1} % correct", 100.0 * correct as f64 / graded.len() as f64));
        bar.advance();
    }
    bar.finish();
    Ok(graded)
}
