//! Students asked as nobody taught them to be: the published prompting baselines, for any student.

use std::fmt;
use std::str::FromStr;

use pupil_models::answer::{AnswerKind, Grader, PublishedTemplate};
use pupil_models::contract::{Budgets, ReasoningContract};
use pupil_runtime::{Engine, GenerateError, Request, Solution};
use serde::{Deserialize, Serialize};

use super::{EvalError, Evaluated, GradedCompletion, Grading, answer_each, baseline, evaluate};
use crate::dataset::Example;
use crate::interrupt::Interrupt;
use crate::teacher::prompting::{self, ExemplarFile, Exemplars};

/// Tokens that the published prompting baselines may write, in each step.
pub const PUBLISHED_COMPLETION_TOKENS: usize = 128;

/// How a student is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptingMethod {
    /// Nobody is asked: the expected accuracy of guessing.
    Random,
    /// The question alone.
    ZeroShot,
    /// "Let's think step by step", then the answer to the rationale in a second step.
    ZeroShotCot,
    /// The question after exemplars.
    FewShotCot,
    /// As the student's own contract says.
    Trained,
}

impl PromptingMethod {
    /// All methods, the weakest first.
    pub const ALL: [Self; 5] = [Self::Random, Self::ZeroShot, Self::ZeroShotCot, Self::FewShotCot, Self::Trained];

    /// The name in files, options and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::ZeroShot => "zero_shot",
            Self::ZeroShotCot => "zero_shot_cot",
            Self::FewShotCot => "few_shot_cot",
            Self::Trained => "trained",
        }
    }

    /// The published template by whose rule completions are read; the contract's marker decides for a trained student.
    fn template(self) -> PublishedTemplate {
        match self {
            Self::FewShotCot => PublishedTemplate::FsCot,
            Self::ZeroShotCot => PublishedTemplate::ZsCot,
            Self::Random | Self::ZeroShot | Self::Trained => PublishedTemplate::Zs,
        }
    }
}

impl fmt::Display for PromptingMethod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for PromptingMethod {
    type Err = String;

    /// Blanks within a name may be written `_` or `-`.
    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|method| method.as_str() == name.replace('-', "_"));
        found.ok_or_else(|| {
            let names = Self::ALL.map(|method| format!("`{method}`"));
            format!("expected one of {}, found `{name}`", names.join(", "))
        })
    }
}

/// What the methods share.
#[derive(Clone, Debug)]
pub struct Prompting {
    /// Who extracts and compares answers; a trained student's own contract decides for itself.
    pub grader: Grader,
    /// Most tokens of a completion, in each step.
    pub completion_tokens: usize,
    /// Exemplar blocks by task, for few-shot-CoT.
    pub exemplars: Option<ExemplarFile>,
}

impl Default for Prompting {
    fn default() -> Self {
        Self { grader: Grader::Published, completion_tokens: PUBLISHED_COMPLETION_TOKENS, exemplars: None }
    }
}

/// Measures a student by a method, greedily; its contract is the same afterwards.
///
/// Without a student only [`PromptingMethod::Random`] has a result, for which `kind` is the kind of answer of tasks that the
/// published method does not know.
///
/// # Errors
/// [`EvalError`]; [`EvalError::is_about_the_method`] tells those which leave other methods possible.
pub fn measure(
    engine: &mut Engine,
    method: PromptingMethod,
    prompting: &Prompting,
    examples: &[Example],
    interrupt: &Interrupt,
) -> Result<Evaluated, EvalError> {
    let kind = engine.contract().answer;
    match method {
        PromptingMethod::Random => Ok((baseline::random(examples, kind, prompting.grader)?, Vec::new())),
        PromptingMethod::Trained => evaluate(engine, examples, interrupt),
        _ => {
            let asker = Asker::new(method, prompting, kind, examples)?;
            let own =
                engine.replace_contract(verbatim(engine.contract(), prompting.completion_tokens, asker.stops()))?;
            let graded = answer_each(examples, interrupt, |example| asker.ask(engine, example));
            engine.replace_contract(own)?;
            let graded = graded?;
            Ok((asker.grading.report(method.as_str(), examples, &graded), graded))
        }
    }
}

/// A contract under which a prompt is given to the student as it is, and nothing of the completion is forced.
pub(super) fn verbatim(own: &ReasoningContract, most_tokens: usize, stops: Vec<String>) -> ReasoningContract {
    ReasoningContract {
        prompt: "{question}".to_owned(),
        answer_marker: None,
        budgets: Budgets { rationale_tokens: most_tokens, answer_tokens: most_tokens },
        stops,
        ..own.clone()
    }
}

/// A prompting method, ready to ask.
struct Asker<'a> {
    method: PromptingMethod,
    exemplars: Option<&'a Exemplars>,
    grading: Grading,
}

impl<'a> Asker<'a> {
    fn new(
        method: PromptingMethod,
        prompting: &'a Prompting,
        kind: AnswerKind,
        examples: &[Example],
    ) -> Result<Self, EvalError> {
        let exemplars = match (method, examples.first()) {
            (PromptingMethod::FewShotCot, Some(first)) => {
                Some(prompting.exemplars.as_ref().ok_or(EvalError::NoExemplars)?.task(&first.task)?)
            }
            _ => None,
        };
        let marker = method.template().marker().map(str::to_owned);
        Ok(Self { method, exemplars, grading: Grading { grader: prompting.grader, kind, marker } })
    }

    fn stops(&self) -> Vec<String> {
        self.exemplars.iter().map(|_| prompting::FEW_SHOT_STOP.to_owned()).collect()
    }

    fn ask(&self, engine: &mut Engine, example: &Example) -> Result<GradedCompletion, GenerateError> {
        let question = example.question.trim();
        let mut ask = |prompt: &str| engine.solve(prompt, &Request::default());
        if self.method == PromptingMethod::ZeroShotCot {
            let rationale = ask(&prompting::zero_shot_cot(question))?;
            let prompt = prompting::zero_shot_cot_answer(question, &rationale.completion);
            let answer = ask(&prompt)?;
            return Ok(self.grade_both(example, prompt, rationale, answer));
        }
        let prompt = match self.exemplars {
            Some(exemplars) => prompting::few_shot_cot(&exemplars.block, question),
            None => prompting::zero_shot(question),
        };
        let solution = ask(&prompt)?;
        Ok(self.grading.grade(example, prompt, solution))
    }

    /// The second step is graded; it is only complete if the first one was.
    fn grade_both(&self, example: &Example, prompt: String, rationale: Solution, answer: Solution) -> GradedCompletion {
        let first = self.grading.grade(example, String::new(), rationale);
        let second = self.grading.grade(example, prompt, answer);
        GradedCompletion {
            complete: first.complete && second.complete,
            tokens: first.tokens + second.tokens,
            rationale: Some(first.completion),
            ..second
        }
    }
}
