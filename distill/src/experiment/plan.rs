//! What the program needs, built once from what the user typed: paths resolved, values checked, the contract complete.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use pupil_models::answer::Grader;
use pupil_models::contract::ReasoningContract;

use super::student::ScratchSizes;
use super::{Experiment, ExperimentError, GateSettings, Method, Source, require};
use crate::checkpoint::Checkpoint;
use crate::dataset::SplitReference;
use crate::eval::harness::Subject;
use crate::filter::{Criterion, FilterPlan, SampleWeight, Weighing};
use crate::teacher::openai::{OpenaiSource, Questions};
use crate::train::TrainSettings;
use crate::vocabulary::VocabularyPlan;

/// A validated experiment.
#[derive(Debug)]
pub struct Plan {
    /// Name of the run.
    pub name: String,
    /// Folder of the run.
    pub folder: PathBuf,
    /// How the student is taught.
    pub method: Method,
    /// The contract that the student is trained, exported and evaluated under.
    pub contract: ReasoningContract,
    /// Where rationales come from.
    pub sources: Vec<SourcePlan>,
    /// Only so many questions of each source that reads a dataset.
    pub training_questions: Option<NonZeroUsize>,
    /// Only so many of the kept rationales.
    pub training_rationales: Option<NonZeroUsize>,
    /// The grader of the teacher's answers.
    pub filter_grader: Grader,
    /// Which rationales are kept.
    pub filter: FilterPlan,
    /// The student.
    pub student: StudentPlan,
    /// The training loop.
    pub train: TrainSettings,
    /// Prompts on which parity is proved.
    pub parity_prompts: usize,
    /// How another form than float32 is chosen; `None` for float32.
    pub gate: Option<GateSettings>,
    /// Export the student even if it is outside its tolerance; no experiment says so, only a command.
    pub force: bool,
    /// What the student is tested on.
    pub evals: Vec<EvalPlan>,
    /// What all this was made from, as typed; its paths are relative to the experiment file's folder.
    pub experiment: Experiment,
}

/// A source with its paths resolved.
pub type SourcePlan = Source;

/// What is trained.
#[derive(Debug)]
pub enum StudentPlan {
    /// A student with random weights and a tokenizer of its own.
    Scratch {
        /// Its sizes.
        sizes: ScratchSizes,
        /// Its tokenizer.
        vocabulary: VocabularyPlan,
    },
    /// A checkpoint with its own tokenizer.
    Checkpoint(Box<Checkpoint>),
}

/// An evaluation with its paths resolved.
#[derive(Clone, Debug)]
pub struct EvalPlan {
    /// Name of the evaluation: the dataset's file stem and the split.
    pub name: String,
    /// The dataset.
    pub data: PathBuf,
    /// Which of its examples.
    pub split: Option<SplitReference>,
    /// Whether it is passed over if the dataset is absent.
    pub optional: bool,
    /// Token budgets to measure besides.
    pub budgets: Vec<usize>,
}

impl EvalPlan {
    /// `subject` with the data that it is asked about.
    pub(crate) fn subject(&self, subject: Subject) -> Subject {
        let data = self.data.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Subject { data, split: self.split.as_ref().map(|split| split.name.clone()), ..subject }
    }
}

impl StudentPlan {
    /// Longest sequence of the student, in tokens.
    #[must_use]
    pub fn context_tokens(&self) -> usize {
        match self {
            Self::Scratch { sizes, .. } => sizes.context_tokens,
            Self::Checkpoint(checkpoint) => checkpoint.config().context_tokens,
        }
    }
}

impl Plan {
    /// Validates `experiment`, whose paths are relative to the folder `base`, for a run below the folder `runs`.
    ///
    /// # Errors
    /// [`ExperimentError`]; nothing is written.
    pub fn new(experiment: &Experiment, base: &Path, runs: &Path) -> Result<Self, ExperimentError> {
        let name = &experiment.name;
        require_plain(name)?;
        let has_budgets = experiment.eval.iter().all(|eval| !eval.budgets.contains(&0));
        require("eval.budgets", has_budgets, "numbers above 0", 0)?;
        require("source", !experiment.source.is_empty(), "at least one", "none")?;
        check_endpoints(&experiment.source)?;
        let contract = contract(experiment)?;
        let train = experiment.train.settings()?;
        Ok(Self {
            name: name.clone(),
            folder: runs.join(name),
            method: experiment.method,
            filter_grader: experiment.filter.grader.unwrap_or(contract.grader),
            filter: filter(&experiment.filter, base)?,
            contract,
            sources: experiment.source.iter().map(|source| resolve_source(source, base)).collect(),
            training_questions: experiment.training_questions,
            training_rationales: experiment.training_rationales,
            student: student(experiment, base)?,
            parity_prompts: experiment.export.parity_prompts,
            gate: experiment.export.gate(base, train.held_out)?,
            train,
            force: false,
            evals: experiment.eval.iter().map(|table| eval_plan(table, base)).collect(),
            experiment: experiment.clone(),
        })
    }
}

/// Refuses names that could not be a folder's everywhere.
pub(super) fn require_plain(name: &str) -> Result<(), ExperimentError> {
    let legal = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let is_plain = !name.is_empty() && !name.starts_with('.') && name.chars().all(legal);
    require("name", is_plain, "letters, digits, `-`, `_` and `.`", format!("`{name}`"))
}

fn check_endpoints(sources: &[Source]) -> Result<(), ExperimentError> {
    for source in sources {
        let (Source::Openai(source) | Source::Batch(source)) = source else { continue };
        source.check().map_err(|(key, expected, found)| ExperimentError::Value {
            key: format!("source.{key}"),
            expected: expected.to_owned(),
            found,
        })?;
    }
    Ok(())
}

fn contract(experiment: &Experiment) -> Result<ReasoningContract, ExperimentError> {
    let contract = ReasoningContract::from(experiment.contract.clone());
    contract.validate()?;
    Ok(match experiment.method {
        Method::FineTuneCot => contract,
        Method::FineTune => contract.without_rationale(),
    })
}

fn filter(table: &super::FilterTable, base: &Path) -> Result<FilterPlan, ExperimentError> {
    let resolved = |criteria: &[Criterion]| criteria.iter().map(|criterion| criterion.resolved(base)).collect();
    let weigh = table
        .weigh
        .iter()
        .map(|weighing| Ok(Weighing { criterion: weighing.criterion.resolved(base), weight: factor(weighing)? }));
    let plan = FilterPlan {
        criteria: resolved(&table.criteria.clone().unwrap_or_else(Criterion::published)),
        weigh: weigh.collect::<Result<_, ExperimentError>>()?,
        report: resolved(&table.report),
    };
    let mut seen = Vec::new();
    for criterion in plan.all_criteria() {
        let name = criterion.name();
        let key = format!("filter, criterion `{name}`");
        require(&key, !seen.contains(&name), "it once", "it again")?;
        seen.push(name);
        if let Some((expected, found)) = criterion.fault() {
            require(&key, false, expected, found)?;
        }
    }
    Ok(plan)
}

/// A weight that leaves something to learn.
fn factor(weighing: &super::WeighingTable) -> Result<SampleWeight, ExperimentError> {
    let refused = || ExperimentError::Value {
        key: format!("filter.weigh, criterion `{}`", weighing.criterion.name()),
        expected: "a `weight` above 0, at most 1 (what is worth nothing belongs in `criteria`)".to_owned(),
        found: weighing.weight.to_string(),
    };
    SampleWeight::try_from(weighing.weight).ok().filter(|weight| weight.get() > 0.0).ok_or_else(refused)
}

fn student(experiment: &Experiment, base: &Path) -> Result<StudentPlan, ExperimentError> {
    let table = &experiment.student;
    if let Some(folder) = &table.checkpoint {
        table.require_no_sizes()?;
        let none = experiment.tokenizer.is_none();
        require("tokenizer", none, "nothing, because the checkpoint has a tokenizer", "a tokenizer")?;
        return Ok(StudentPlan::Checkpoint(Box::new(Checkpoint::open(&base.join(folder))?)));
    }
    let vocabulary = experiment.tokenizer.ok_or_else(|| ExperimentError::Value {
        key: "tokenizer".to_owned(),
        expected: "a tokenizer, because the student is trained from scratch".to_owned(),
        found: "nothing".to_owned(),
    })?;
    match vocabulary {
        VocabularyPlan::Merges(size) => {
            let holds = (257..=1 << 20).contains(&size);
            require("tokenizer.merges", holds, "a size from 257 (every byte and the end) to 2^20", size)?;
        }
        VocabularyPlan::FrequentWords(share) => {
            let holds = share > 0.0 && share <= 1.0;
            require("tokenizer.frequent_words", holds, "a fraction above 0, at most 1", share)?;
        }
    }
    Ok(StudentPlan::Scratch { sizes: table.sizes()?, vocabulary })
}

pub(super) fn resolve_split(split: &SplitReference, base: &Path) -> SplitReference {
    SplitReference { path: base.join(&split.path), name: split.name.clone() }
}

fn resolve_source(source: &Source, base: &Path) -> SourcePlan {
    match source.clone() {
        Source::Program { task, questions, seed, items, exclude } => {
            Source::Program { task, questions, seed, items, exclude: exclude.map(|path| base.join(path)) }
        }
        Source::Recorded { data, split, completions, degree } => Source::Recorded {
            data: base.join(data),
            split: resolve_split(&split, base),
            completions: base.join(completions),
            degree,
        },
        Source::Openai(mut source) => {
            resolve_openai(&mut source, base);
            Source::Openai(source)
        }
        Source::Batch(mut source) => {
            resolve_openai(&mut source, base);
            Source::Batch(source)
        }
        Source::Bundle(mut source) => {
            resolve_questions(&mut source.questions, base);
            source.bundle = base.join(&source.bundle);
            Source::Bundle(source)
        }
    }
}

fn resolve_questions(questions: &mut Questions, base: &Path) {
    questions.data = base.join(&questions.data);
    questions.split = questions.split.as_ref().map(|split| resolve_split(split, base));
}

fn resolve_openai(source: &mut OpenaiSource, base: &Path) {
    resolve_questions(&mut source.questions, base);
    source.exemplars = source.exemplars.as_ref().map(|path| base.join(path));
}

pub(super) fn eval_plan(table: &super::EvalTable, base: &Path) -> EvalPlan {
    let stem = table.data.file_stem().unwrap_or_default().to_string_lossy();
    let split = table.split.as_ref().map_or(String::new(), |split| format!("-{}", split.name));
    EvalPlan {
        name: format!("{stem}{split}"),
        data: base.join(&table.data),
        split: table.split.as_ref().map(|split| resolve_split(split, base)),
        optional: table.optional,
        budgets: table.budgets.clone(),
    }
}
