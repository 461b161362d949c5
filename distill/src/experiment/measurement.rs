//! An experiment file that trains nothing: a prompting method, a student that is there already, and what it is asked.

use std::path::{Path, PathBuf};

use pupil_models::answer::Grader;
use pupil_models::contract::ReasoningContract;
use serde::{Deserialize, Serialize};

use super::plan::eval_plan;
use super::{EvalPlan, EvalTable, ExperimentError, require};
use crate::eval::PromptingMethod;
use crate::eval::prompted::{PUBLISHED_COMPLETION_TOKENS, Prompting};
use crate::teacher::prompting::ExemplarFile;

/// An experiment file with one of the methods `random`, `zero_shot`, `zero_shot_cot`, `few_shot_cot` and `trained`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Name of the run's folder.
    pub name: String,
    /// How the student is asked.
    pub method: PromptingMethod,
    /// The student.
    #[serde(default)]
    pub student: MeasuredStudent,
    /// What is the same for every question.
    #[serde(default)]
    pub prompting: PromptingTable,
    /// What the student is asked.
    pub eval: Vec<EvalTable>,
}

/// A student that is there already: a bundle, or a checkpoint, which is exported first. Guessing needs none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeasuredStudent {
    /// A bundle.
    pub bundle: Option<PathBuf>,
    /// A Hugging Face style folder.
    pub checkpoint: Option<PathBuf>,
    /// The checkpoint's reasoning contract (`reasoning.json`); only the method `trained` needs one.
    pub contract: Option<PathBuf>,
}

/// What is the same for every question of a prompting method.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptingTable {
    /// File of exemplar blocks by task, for few-shot-CoT.
    pub exemplars: Option<PathBuf>,
    /// Who extracts and compares answers.
    pub grader: Grader,
    /// Most tokens of a completion, in each step.
    pub completion_tokens: usize,
}

impl Default for PromptingTable {
    fn default() -> Self {
        Self { exemplars: None, grader: Grader::Published, completion_tokens: PUBLISHED_COMPLETION_TOKENS }
    }
}

/// A validated [`Measurement`].
#[derive(Clone, Debug)]
pub struct MeasurementPlan {
    /// Name of the run.
    pub name: String,
    /// Folder of the run.
    pub folder: PathBuf,
    /// How the student is asked.
    pub method: PromptingMethod,
    /// The student.
    pub student: Option<MeasuredStudentPlan>,
    /// What the methods share.
    pub prompting: Prompting,
    /// File of the exemplars, if there is one.
    pub exemplars: Option<PathBuf>,
    /// What the student is asked.
    pub evals: Vec<EvalPlan>,
}

/// A student with its paths resolved.
#[derive(Clone, Debug)]
pub enum MeasuredStudentPlan {
    /// A bundle.
    Bundle(PathBuf),
    /// A checkpoint.
    Checkpoint {
        /// Its folder.
        folder: PathBuf,
        /// Its contract, if it has one.
        contract: Option<Box<ReasoningContract>>,
    },
}

impl MeasurementPlan {
    /// Validates `measurement`, whose paths are relative to the folder `base`, for a run below the folder `runs`.
    ///
    /// # Errors
    /// [`ExperimentError`]; nothing is written.
    pub fn new(measurement: &Measurement, base: &Path, runs: &Path) -> Result<Self, ExperimentError> {
        super::plan::require_plain(&measurement.name)?;
        let table = &measurement.prompting;
        let method = measurement.method;
        let is_few_shot = method == PromptingMethod::FewShotCot;
        require("prompting.exemplars", table.exemplars.is_some() || !is_few_shot, "a file of exemplars", "none")?;
        let budget = (1..=1 << 20).contains(&table.completion_tokens);
        require("prompting.completion_tokens", budget, "a number from 1 to 2^20", table.completion_tokens)?;
        require("eval", !measurement.eval.is_empty(), "at least one", "none")?;
        let no_budgets = measurement.eval.iter().all(|eval| eval.budgets.is_empty());
        require("eval.budgets", no_budgets, "none, because nothing is trained", "budgets")?;
        let exemplars = table.exemplars.as_ref().map(|path| base.join(path));
        let file = exemplars.as_deref().filter(|_| is_few_shot).map(ExemplarFile::read).transpose();
        let file = file.map_err(|error| ExperimentError::Exemplars(Box::new(error)))?;
        Ok(Self {
            name: measurement.name.clone(),
            folder: runs.join(&measurement.name),
            method,
            student: student(&measurement.student, method, base)?,
            prompting: Prompting { grader: table.grader, completion_tokens: table.completion_tokens, exemplars: file },
            exemplars: exemplars.filter(|_| is_few_shot),
            evals: measurement.eval.iter().map(|table| eval_plan(table, base)).collect(),
        })
    }
}

fn student(
    table: &MeasuredStudent,
    method: PromptingMethod,
    base: &Path,
) -> Result<Option<MeasuredStudentPlan>, ExperimentError> {
    match (&table.bundle, &table.checkpoint) {
        (Some(bundle), None) => {
            require("student.contract", table.contract.is_none(), "none, because a bundle has one", "a contract")?;
            Ok(Some(MeasuredStudentPlan::Bundle(base.join(bundle))))
        }
        (None, Some(folder)) => {
            let contract = table.contract.as_ref().map(|path| ReasoningContract::read(&base.join(path))).transpose()?;
            let needs = method == PromptingMethod::Trained && contract.is_none();
            require("student.contract", !needs, "a contract, because the method is `trained`", "none")?;
            let contract = contract.map(Box::new);
            Ok(Some(MeasuredStudentPlan::Checkpoint { folder: base.join(folder), contract }))
        }
        (None, None) if method == PromptingMethod::Random => Ok(None),
        (found, _) => {
            let found = if found.is_some() { "both" } else { "neither" };
            require("student", false, "either `bundle` or `checkpoint`", found).map(|()| None)
        }
    }
}
