//! Evaluation: a bundle answers the questions of a split through the runtime, and the answers are graded.

mod interval;

pub use interval::wilson;

use pupil_models::answer::{Answer, AnswerKind, task};
use pupil_runtime::{Engine, GenerateError, Outcome, Request, Solution};
use serde::Serialize;

use crate::dataset::Example;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Why an evaluation has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The runtime cannot answer a question.
    #[error("cannot answer example `{id}`")]
    Generate {
        /// The example.
        id: String,
        /// Why.
        source: GenerateError,
    },
    /// There is no example.
    #[error("cannot evaluate: expected at least one example, found none")]
    Empty,
    /// Somebody asked to stop.
    #[error("stopped after {done} of {total} examples, without a result; the same command continues from there")]
    Interrupted {
        /// Examples that were answered.
        done: usize,
        /// Examples in all.
        total: usize,
    },
}

/// The result of an evaluation; every number but `n` is a fraction of the examples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvalReport {
    /// Correct answers.
    pub accuracy: f64,
    /// Lower end of the 95 % interval of the accuracy.
    pub low: f64,
    /// Upper end of the 95 % interval of the accuracy.
    pub high: f64,
    /// Number of examples.
    pub n: usize,
    /// Completions in which the student itself wrote the answer marker, or needed none.
    pub format_rate: f64,
    /// Completions that the student itself ended.
    pub completeness: f64,
}

/// One graded completion.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GradedCompletion {
    /// Id of the example.
    pub id: String,
    /// What the student wrote.
    pub completion: String,
    /// The answer extracted from it.
    pub prediction: Option<Answer>,
    /// The dataset's answer.
    pub gold: String,
    /// Whether they are equal.
    pub correct: bool,
    /// Whether the student wrote the answer marker.
    pub has_marker: bool,
    /// Whether the student ended the completion.
    pub complete: bool,
    /// How the generation ended.
    pub outcome: Outcome,
    /// Tokens of the completion.
    pub tokens: usize,
}

/// Answers and grades `examples`, greedily.
///
/// The grader is the contract's; the kind of answer is the task's if the task is a published one, else the contract's.
///
/// # Errors
/// [`EvalError`] if there is no example, a question cannot be answered, or somebody asked to stop.
pub fn evaluate(
    engine: &mut Engine,
    examples: &[Example],
    interrupt: &Interrupt,
) -> Result<(EvalReport, Vec<GradedCompletion>), EvalError> {
    if examples.is_empty() {
        return Err(EvalError::Empty);
    }
    let bar = Progress::new("eval", "questions", examples.len() as u64, 0);
    let mut graded = Vec::with_capacity(examples.len());
    for example in examples {
        if interrupt.is_requested() {
            return Err(EvalError::Interrupted { done: graded.len(), total: examples.len() });
        }
        let solution = engine
            .solve(&example.question, &Request::default())
            .map_err(|source| EvalError::Generate { id: example.id.clone(), source })?;
        graded.push(grade(engine, example, solution));
        let correct = graded.iter().filter(|completion| completion.correct).count();
        bar.note(format!("· {:.1} % correct", 100.0 * correct as f64 / graded.len() as f64));
        bar.advance();
    }
    bar.finish();
    Ok((report(&graded), graded))
}

fn grade(engine: &Engine, example: &Example, solution: Solution) -> GradedCompletion {
    let contract = engine.contract();
    let kind: AnswerKind = task(&example.task).map_or(contract.answer, |task| task.kind);
    let marker = contract.marker();
    let prediction = contract.grader.predict(kind, &solution.completion, marker);
    let correct = contract.grader.is_correct(kind, prediction.as_ref(), &example.gold);
    // A marker that the runtime put there is not the student's merit.
    let has_marker =
        marker.is_none_or(|marker| solution.completion.contains(marker) && solution.outcome != Outcome::Forced);
    GradedCompletion {
        id: example.id.clone(),
        prediction,
        gold: example.gold.clone(),
        correct,
        has_marker,
        complete: matches!(solution.outcome, Outcome::Answered | Outcome::Abstained),
        outcome: solution.outcome,
        tokens: solution.usage.completion_tokens,
        completion: solution.completion,
    }
}

fn report(graded: &[GradedCompletion]) -> EvalReport {
    let count = |holds: fn(&GradedCompletion) -> bool| graded.iter().filter(|completion| holds(completion)).count();
    let n = graded.len();
    let correct = count(|completion| completion.correct);
    let (low, high) = wilson(correct, n);
    EvalReport {
        accuracy: correct as f64 / n as f64,
        low,
        high,
        n,
        format_rate: count(|completion| completion.has_marker) as f64 / n as f64,
        completeness: count(|completion| completion.complete) as f64 / n as f64,
    }
}
