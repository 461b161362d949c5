//! Accuracy and completeness against the token budget of a completion.
//!
//! As in the published comparison of prediction budgets, a completion that does not end within its budget is cut, and
//! nothing is forced. Greedy completions are prefixes of each other, so one generation with the largest budget serves all.

use pupil_runtime::{Engine, GenerateError, Outcome, Request, Solution};
use serde::{Deserialize, Serialize};

use super::prompted::verbatim;
use super::{EvalError, EvalReport, GradedCompletion, Grading, answer_each, trained_method};
use crate::dataset::Example;
use crate::interrupt::Interrupt;

/// The result with one budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetReport {
    /// Most tokens of a completion.
    pub budget_tokens: usize,
    /// The numbers.
    #[serde(flatten)]
    pub report: EvalReport,
}

/// A completion with the tokens it is made of.
struct Whole {
    solution: Solution,
    tokens: Vec<u32>,
}

/// Measures a bundle with each of `budgets`, in their order.
///
/// # Errors
/// No budget, or one of 0; else as [`super::evaluate`].
pub fn by_budget(
    engine: &mut Engine,
    examples: &[Example],
    budgets: &[usize],
    interrupt: &Interrupt,
) -> Result<Vec<BudgetReport>, EvalError> {
    let Some(&most) = budgets.iter().max().filter(|_| !budgets.contains(&0)) else {
        return Err(EvalError::Budgets { found: format!("{budgets:?}") });
    };
    let own = engine.contract().clone();
    let grading = Grading::of(&own);
    engine.replace_contract(verbatim(&own, most, own.stops.clone()))?;
    let mut by_budget: Vec<Vec<GradedCompletion>> = vec![Vec::with_capacity(examples.len()); budgets.len()];
    let answered = answer_each(examples, interrupt, |example| {
        let prompt = own.prompt(&example.question);
        let whole = generate(engine, &prompt)?;
        for (budget, graded) in budgets.iter().zip(&mut by_budget) {
            graded.push(grading.grade(example, String::new(), whole.within(*budget, engine)?));
        }
        Ok(grading.grade(example, prompt, whole.solution))
    });
    engine.replace_contract(own.clone())?;
    answered?;
    let report = |graded: &Vec<GradedCompletion>| grading.report(trained_method(&own), examples, graded);
    Ok(budgets
        .iter()
        .zip(&by_budget)
        .map(|(&budget_tokens, graded)| BudgetReport { budget_tokens, report: report(graded) })
        .collect())
}

fn generate(engine: &mut Engine, prompt: &str) -> Result<Whole, GenerateError> {
    let mut generation = engine.stream(prompt, &Request::default())?;
    let mut solution = None;
    for event in generation.by_ref() {
        if let pupil_runtime::Event::Finished(finished) = event? {
            solution = Some(finished);
        }
    }
    let tokens = generation.token_ids();
    // A generation without an error always ends with its solution.
    let solution = solution.ok_or(GenerateError::EmptyPrompt)?;
    Ok(Whole { solution, tokens })
}

impl Whole {
    /// What the student would have written within `budget` tokens, the end token among them.
    fn within(&self, budget: usize, engine: &Engine) -> Result<Solution, GenerateError> {
        let ends_itself = matches!(self.solution.outcome, Outcome::Answered | Outcome::Abstained);
        let needed = self.tokens.len() + usize::from(ends_itself && !self.ends_by_stop(engine)?);
        if needed <= budget {
            return Ok(self.solution.clone());
        }
        let kept = self.tokens.len().min(budget);
        let mut solution = self.solution.clone();
        solution.completion = engine.tokenizer().decode(&self.tokens[..kept])?;
        solution.outcome = Outcome::Truncated;
        solution.usage.completion_tokens = kept;
        Ok(solution)
    }

    /// Whether a stop text, which is made of tokens of the completion, ended it.
    fn ends_by_stop(&self, engine: &Engine) -> Result<bool, GenerateError> {
        let whole = engine.tokenizer().decode(&self.tokens)?;
        Ok(engine.contract().stops.iter().any(|stop| whole.contains(stop.as_str())))
    }
}
