//! The experiment file: what the user typed ([`Experiment`], TOML), validated into what the program needs ([`Plan`]).

mod export;
mod file;
mod measurement;
mod plan;
mod self_training;
mod source;
mod student;
mod sweep;
mod train;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

pub use export::{ExportTable, GateSettings};
pub use file::{ExperimentFile, FilePlan};
pub use measurement::{MeasuredStudent, MeasuredStudentPlan, Measurement, MeasurementPlan, PromptingTable};
pub use plan::{EvalPlan, Plan, SourcePlan, StudentPlan};
use pupil_models::answer::{AnswerKind, Grader};
use pupil_models::bundle::BundleError;
use pupil_models::contract::{Budgets, CONTRACT_VERSION, ContractError, ReasoningContract, StepRule};
pub use self_training::{SelfTraining, rounds};
use serde::{Deserialize, Serialize};
pub use source::Source;
pub use student::StudentTable;
pub use sweep::{AxisValue, Sweep, Variant};
pub use train::TrainTable;

use crate::dataset::SplitReference;
use crate::filter::Criterion;
use crate::teacher::prompting::ExemplarError;
use crate::vocabulary::VocabularyPlan;

/// What is wrong with an experiment file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// The file cannot be read.
    #[error("cannot read the experiment file `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not an experiment.
    #[error("experiment file `{path}` is not valid")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A value that no stage could work with.
    #[error("experiment file, `{key}`: expected {expected}, found {found}")]
    Value {
        /// The key.
        key: String,
        /// What is accepted.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// The contract is refused.
    #[error("experiment file, `contract`")]
    Contract(#[from] ContractError),
    /// The file of exemplars is refused.
    #[error("experiment file, `prompting.exemplars`")]
    Exemplars(#[source] Box<ExemplarError>),
    /// A variant of a sweep is not an experiment.
    #[error("sweep, variant `{variant}`: {found}")]
    Variant {
        /// The variant.
        variant: String,
        /// What the parser met.
        found: String,
    },
    /// A sweep where one experiment is expected.
    #[error("experiment file `{path}`: expected one experiment, found a `sweep` over several")]
    Sweep {
        /// The file.
        path: PathBuf,
    },
    /// The checkpoint to start from is refused.
    #[error("experiment file, `student.checkpoint`")]
    Checkpoint(#[from] BundleError),
}

/// How the student is taught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The student learns the teacher's kept rationales and the gold answer.
    #[default]
    FineTuneCot,
    /// Vanilla fine-tuning: the student learns the gold answer of every question, without any rationale.
    FineTune,
}

/// An experiment file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name of the run's folder.
    pub name: String,
    /// How the student is taught.
    #[serde(default)]
    pub method: Method,
    /// Prompt, marker, steps and answers.
    pub contract: ContractTable,
    /// Where rationales come from.
    pub source: Vec<Source>,
    /// Only so many questions of each source that reads a dataset, drawn as the published subsets are; all if absent.
    #[serde(default)]
    pub training_questions: Option<NonZeroUsize>,
    /// Only so many of the kept rationales, drawn as the published filters of matched size were; all if absent.
    #[serde(default)]
    pub training_rationales: Option<NonZeroUsize>,
    /// Which rationales are kept.
    #[serde(default)]
    pub filter: FilterTable,
    /// The tokenizer of a student from scratch.
    #[serde(default)]
    pub tokenizer: Option<VocabularyPlan>,
    /// The student.
    pub student: StudentTable,
    /// The training loop.
    pub train: TrainTable,
    /// The export.
    #[serde(default)]
    pub export: ExportTable,
    /// What the student is tested on.
    #[serde(default)]
    pub eval: Vec<EvalTable>,
    /// Rounds in which the student teaches itself; [`rounds`] derives an experiment of each.
    #[serde(default)]
    pub self_training: Option<SelfTraining>,
}

/// The reasoning contract, without its version.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractTable {
    /// Prompt template with `{question}`.
    pub prompt: String,
    /// The literal between rationale and answer.
    pub answer_marker: String,
    /// How steps are told apart.
    pub step_rule: StepRule,
    /// What answers look like.
    pub answer: AnswerKind,
    /// Who extracts and compares answers at evaluation.
    pub grader: Grader,
    /// Token budgets.
    pub budgets: Budgets,
    /// Texts that end a completion.
    #[serde(default)]
    pub stops: Vec<String>,
}

impl From<ContractTable> for ReasoningContract {
    fn from(table: ContractTable) -> Self {
        Self {
            version: CONTRACT_VERSION,
            prompt: table.prompt,
            answer_marker: Some(table.answer_marker),
            step_rule: table.step_rule,
            answer: table.answer,
            grader: table.grader,
            budgets: table.budgets,
            stops: table.stops,
        }
    }
}

/// Which rationales are kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterTable {
    /// The grader of the teacher's answers; the contract's if absent.
    #[serde(default)]
    pub grader: Option<Grader>,
    /// What is asked of every rationale, in order; the first criterion that objects decides. The published filter,
    /// `["rationale", "answer"]`, if absent; nothing at all if empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criteria: Option<Vec<Criterion>>,
    /// What makes a kept rationale count less in training, such as `[{ criterion = "arithmetic", weight = 0.25 }]`: the loss
    /// of every token of a rationale with a wrong equation is multiplied by 0.25; where several criteria object, so by each.
    /// Nothing if absent. Vanilla fine-tuning, which learns no rationale, weighs none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weigh: Vec<WeighingTable>,
    /// What is looked for in kept rationales and counted, without rejecting any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub report: Vec<Criterion>,
}

/// A criterion that rejects nothing and makes what it objects to count less.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeighingTable {
    /// The criterion, as among `criteria`.
    pub criterion: Criterion,
    /// The factor of the loss, above 0, at most 1.
    pub weight: f64,
}

/// What the student is tested on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalTable {
    /// The dataset.
    pub data: PathBuf,
    /// Which of its examples; all if absent.
    #[serde(default)]
    pub split: Option<SplitReference>,
    /// Whether a dataset that is not there is passed over with a note, instead of being an error.
    #[serde(default)]
    pub optional: bool,
    /// Token budgets `L_p` with which the student is measured besides: accuracy and completeness of completions that are cut
    /// there.
    #[serde(default)]
    pub budgets: Vec<usize>,
}

impl Experiment {
    /// Reads an experiment file.
    ///
    /// # Errors
    /// The file cannot be read, or is not an experiment; the line and key are named.
    pub fn read(path: &Path) -> Result<Self, ExperimentError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ExperimentError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text)
            .map_err(|source| ExperimentError::Parse { path: path.to_owned(), source: Box::new(source) })
    }
}

fn require(key: &str, holds: bool, expected: &str, found: impl ToString) -> Result<(), ExperimentError> {
    if holds {
        return Ok(());
    }
    Err(ExperimentError::Value { key: key.to_owned(), expected: expected.to_owned(), found: found.to_string() })
}

#[cfg(test)]
mod tests;
