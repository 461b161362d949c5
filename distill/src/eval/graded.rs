//! One graded completion, and the sums over many.

use pupil_models::answer::{Answer, AnswerKind, Grader, contains_answer, task};
use pupil_models::contract::ReasoningContract;
use pupil_runtime::{Outcome, Solution};
use serde::{Deserialize, Serialize};

use super::wilson;
use crate::dataset::Example;

/// The result of an evaluation; numbers are fractions of the examples unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Completions in which the gold answer is among everything that looks like an answer, by the published rules.
    pub contains_answer: f64,
    /// Mean length of a completion, in tokens.
    pub mean_tokens: f64,
    /// Key of the task, such as `coin_flip`; several are joined by `+`.
    pub task: String,
    /// What was measured: `fine_tune_cot`, `fine_tune`, `zero_shot`, `zero_shot_cot`, `few_shot_cot` or `random`.
    pub method: String,
    /// Who graded.
    pub grader: Grader,
}

/// One graded completion.
#[expect(clippy::struct_excessive_bools, reason = "each is a finding of its own, and a key of its own in files")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradedCompletion {
    /// Id of the example.
    pub id: String,
    /// What the student was given.
    #[serde(skip)]
    pub prompt: String,
    /// The rationale that the student wrote in a first step, where there was one; the completion is that of the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// What the student wrote.
    pub completion: String,
    /// The answer extracted from it.
    pub prediction: Option<Answer>,
    /// The dataset's answer.
    pub gold: String,
    /// Whether they are equal.
    pub correct: bool,
    /// Whether any candidate of the completion is the gold answer, by the published rules.
    pub contains_answer: bool,
    /// Whether the student wrote the answer marker, or needed none.
    pub has_marker: bool,
    /// Whether the student ended the completion.
    pub complete: bool,
    /// How the generation ended.
    pub outcome: Outcome,
    /// Tokens of the completion, those of a first step included.
    pub tokens: usize,
}

/// How completions are read.
#[derive(Clone, Debug)]
pub struct Grading {
    /// Who extracts and compares answers.
    pub grader: Grader,
    /// The kind of answer of tasks that the published method does not know.
    pub kind: AnswerKind,
    /// The text that announces the answer.
    pub marker: Option<String>,
}

impl Grading {
    /// As the contract says.
    #[must_use]
    pub fn of(contract: &ReasoningContract) -> Self {
        Self { grader: contract.grader, kind: contract.answer, marker: contract.marker().map(str::to_owned) }
    }

    /// Grades what a student wrote about `example` when it was given `prompt`.
    #[must_use]
    pub fn grade(&self, example: &Example, prompt: String, solution: Solution) -> GradedCompletion {
        let kind = task(&example.task).map_or(self.kind, |task| task.kind);
        let text = &solution.completion;
        let prediction = self.grader.predict(kind, text, self.marker.as_deref());
        let correct = self.grader.is_correct(kind, prediction.as_ref(), &example.gold);
        // A marker that the runtime put there is not the student's merit.
        let wrote = |marker: &str| text.contains(marker) && solution.outcome != Outcome::Forced;
        GradedCompletion {
            id: example.id.clone(),
            prompt,
            rationale: None,
            prediction,
            gold: example.gold.clone(),
            correct,
            contains_answer: contains_answer(kind, text, &example.gold),
            has_marker: self.marker.as_deref().is_none_or(wrote),
            complete: matches!(solution.outcome, Outcome::Answered | Outcome::Abstained),
            outcome: solution.outcome,
            tokens: solution.usage.completion_tokens,
            completion: solution.completion,
        }
    }

    /// The sums over `graded`, completions of `examples` by the named method.
    #[must_use]
    pub fn report(&self, method: &str, examples: &[Example], graded: &[GradedCompletion]) -> EvalReport {
        let n = graded.len();
        let count = |holds: fn(&GradedCompletion) -> bool| graded.iter().filter(|completion| holds(completion)).count();
        let share = |holds: fn(&GradedCompletion) -> bool| count(holds) as f64 / n as f64;
        let correct = |completion: &GradedCompletion| completion.correct;
        let (low, high) = wilson(count(correct), n);
        EvalReport {
            accuracy: share(correct),
            low,
            high,
            n,
            format_rate: share(|completion| completion.has_marker),
            completeness: share(|completion| completion.complete),
            contains_answer: share(|completion| completion.contains_answer),
            mean_tokens: graded.iter().map(|completion| completion.tokens).sum::<usize>() as f64 / n as f64,
            task: tasks(examples),
            method: method.to_owned(),
            grader: self.grader,
        }
    }
}

/// The tasks of `examples`, in the order in which they appear, joined by `+`.
pub(super) fn tasks(examples: &[Example]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for example in examples {
        if !names.contains(&example.task.as_str()) {
            names.push(&example.task);
        }
    }
    names.join("+")
}
