//! The files of an evaluation, for the report page and for other tools.

use std::path::Path;

use pupil_models::contract::ReasoningContract;
use pupil_models::durable;
use serde::Serialize;

use super::budget::BudgetReport;
use super::harness::{self, Subject};
use super::{Evaluated, PromptingMethod, prompted};
use crate::dataset::Example;
use crate::teacher::prompting;

/// Writes the files of an evaluation named `name` into `folder`: `eval-NAME.json` (the [`super::EvalReport`]),
/// `eval-NAME.completions.jsonl` (every [`super::GradedCompletion`]), and for tools that read lm-evaluation-harness
/// `results_NAME.json` and `samples_NAME.jsonl`. Methods without completions have no files of them.
///
/// # Errors
/// A file cannot be written; each is whole or absent.
pub fn write(
    folder: &Path,
    name: &str,
    subject: &Subject,
    examples: &[Example],
    evaluated: &Evaluated,
) -> std::io::Result<()> {
    let (report, graded) = evaluated;
    let put = |name: String, text: &str| durable::write(&folder.join(name), text.as_bytes());
    put(format!("results_{name}.json"), &harness::results(subject, report))?;
    if !graded.is_empty() {
        put(format!("samples_{name}.jsonl"), &harness::samples(subject, examples, evaluated))?;
        put(format!("eval-{name}.completions.jsonl"), &graded.iter().map(line).collect::<String>())?;
    }
    put(format!("eval-{name}.json"), &line(report))
}

/// Reads the files of an evaluation back; without completions where the method has none.
///
/// # Errors
/// A file cannot be read, or is not one of [`write()`]'s.
pub fn read(folder: &Path, name: &str) -> std::io::Result<Evaluated> {
    let report = serde_json::from_slice(&std::fs::read(folder.join(format!("eval-{name}.json")))?)?;
    let path = folder.join(format!("eval-{name}.completions.jsonl"));
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let graded = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok((report, graded))
}

/// Writes `budgets-NAME.json`: a list of [`BudgetReport`].
///
/// # Errors
/// The file cannot be written; it is whole or absent.
pub fn write_budgets(folder: &Path, name: &str, budgets: &[BudgetReport]) -> std::io::Result<()> {
    durable::write(&folder.join(format!("budgets-{name}.json")), line(&budgets).as_bytes())
}

// Reports are plain structs, which always serialise.
fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

impl Subject {
    /// A student that is asked as its contract says.
    #[must_use]
    pub fn trained(contract: &ReasoningContract) -> Self {
        Self {
            prompt: contract.prompt.clone(),
            completion_tokens: contract.completion_budget_tokens(),
            stops: contract.stops.clone(),
            ..Self::default()
        }
    }

    /// A student with `contract` that is asked by a prompting method about `task`.
    #[must_use]
    pub fn prompted(
        method: PromptingMethod,
        asked: &prompted::Prompting,
        task: &str,
        contract: &ReasoningContract,
    ) -> Self {
        let exemplars = asked.exemplars.as_ref().and_then(|file| file.task(task).ok());
        let block = exemplars.filter(|_| method == PromptingMethod::FewShotCot);
        let question = "{question}";
        let prompt = match (method, block) {
            (PromptingMethod::Trained, _) => return Self::trained(contract),
            (_, Some(block)) => prompting::few_shot_cot(&block.block, question),
            (PromptingMethod::ZeroShotCot, _) => prompting::zero_shot_cot(question),
            _ => prompting::zero_shot(question),
        };
        Self {
            prompt,
            shots: block.map_or(0, |block| block.block.matches("Q: ").count()),
            completion_tokens: asked.completion_tokens,
            stops: block.map(|_| prompting::FEW_SHOT_STOP.to_owned()).into_iter().collect(),
            ..Self::default()
        }
    }
}
