//! What a run's folder says: settings, teachers, training, evaluations; each may be missing, none may be damaged.

mod evaluation;
mod group;
mod settings;
mod teaching;
mod training;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pupil_models::bundle::TOKENIZER;
use pupil_models::contract::ReasoningContract;
use pupil_models::tokenizer::Tokenizer;

pub(super) use evaluation::{Evaluation, Graded};
pub(super) use group::Group;
pub(super) use settings::Settings;
pub(super) use teaching::{Lesson, Lessons, SourceFacts};
pub(super) use training::TrainingLog;

use super::ReportError;
use super::find::entries;
use crate::eval::trained_method;
use crate::pipeline::StageRecord;

/// Everything about one run.
#[derive(Debug)]
pub(super) struct RunFacts {
    /// Name of its folder, after that of the group if it is part of one.
    pub(super) name: String,
    /// The sweep or comparison that it is part of.
    pub(super) group: Option<String>,
    /// Its values on the axes of the sweep.
    pub(super) axes: BTreeMap<String, toml::Value>,
    /// The settings of its latest stage, where they are recorded.
    pub(super) settings: Option<Settings>,
    /// The contract of its student, where it is known.
    pub(super) contract: Option<ReasoningContract>,
    /// Records of finished stages, by name.
    pub(super) stages: BTreeMap<String, StageRecord>,
    /// Its sources, if it has a store.
    pub(super) sources: Vec<SourceFacts>,
    /// A part of what its teachers wrote, spread over all of it.
    pub(super) lessons: Lessons,
    /// The log of its training.
    pub(super) training: Option<TrainingLog>,
    /// Its evaluations, by name.
    pub(super) evaluations: Vec<Evaluation>,
    /// Whether lengths are in tokens of its student, or in words.
    pub(super) has_tokenizer: bool,
}

impl RunFacts {
    /// Reads the run in `folder`, which may be part of `group`.
    ///
    /// # Errors
    /// A file that is there but cannot be read as what it should be.
    pub(super) fn read(folder: &Path, group: Option<&Group>) -> Result<Self, ReportError> {
        let own_name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let settings = Settings::read(folder)?;
        let contract = contract(folder, settings.as_ref())?;
        let tokenizer = tokenizer(folder)?;
        let (sources, lessons) = teaching::read(folder, settings.as_ref(), contract.as_ref(), tokenizer.as_ref())?;
        Ok(Self {
            axes: group.map(|group| group.axes(&own_name)).unwrap_or_default(),
            group: group.map(|group| group.name.clone()),
            name: group.map_or_else(|| own_name.clone(), |group| format!("{}/{own_name}", group.name)),
            stages: stages(folder)?,
            sources,
            lessons,
            training: TrainingLog::read(folder)?,
            evaluations: evaluation::read_all(folder)?,
            has_tokenizer: tokenizer.is_some(),
            settings,
            contract,
        })
    }

    /// How the student was taught, in words.
    pub(super) fn method(&self) -> String {
        let Some(settings) = &self.settings else {
            let asked = self.evaluations.iter().find_map(Evaluation::method_in_words);
            let taught = || Some(evaluation::method_in_words(trained_method(self.contract.as_ref()?)));
            return asked.or_else(taught).unwrap_or_else(|| "not recorded".to_owned());
        };
        let degree = settings.degree();
        match (settings.is_vanilla(), degree) {
            (true, _) => "Fine-tune".to_owned(),
            (false, Some(degree)) if degree > 1 => format!("Fine-tune-CoT, D = {degree}"),
            (false, _) => "Fine-tune-CoT".to_owned(),
        }
    }

    /// Whether a student was asked that is not this run's own.
    pub(super) fn is_measurement(&self) -> bool {
        self.settings.is_none() && self.contract.is_none() && !self.stages.contains_key("teach")
    }

    /// Number of weights of the student, where it was trained.
    pub(super) fn parameters(&self) -> Option<u64> {
        Some(*self.stages.get("train")?.counts.get("parameters")? as u64)
    }

    /// What lengths are measured in.
    pub(super) fn unit(&self) -> &'static str {
        if self.has_tokenizer { "tokens" } else { "words" }
    }
}

/// Reads a file that may be absent.
fn optional(path: &Path) -> Result<Option<String>, ReportError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(ReportError::damaged(path, "text in UTF-8", "other bytes"))
        }
        Err(source) => Err(ReportError::File { path: path.to_owned(), source }),
    }
}

/// The student's contract: the bundle's, or the one in the recorded settings.
fn contract(folder: &Path, settings: Option<&Settings>) -> Result<Option<ReasoningContract>, ReportError> {
    let path = folder.join("bundle").join("reasoning.json");
    match optional(&path)? {
        Some(text) => ReasoningContract::from_json(&text)
            .map(Some)
            .map_err(|error| ReportError::damaged(&path, "a reasoning contract", error)),
        None => Ok(settings.map(Settings::contract)),
    }
}

fn tokenizer(folder: &Path) -> Result<Option<Tokenizer>, ReportError> {
    let places: [PathBuf; 3] = [folder.to_owned(), folder.join("bundle"), folder.join("checkpoint")];
    let Some(path) = places.into_iter().map(|place| place.join(TOKENIZER)).find(|path| path.is_file()) else {
        return Ok(None);
    };
    Tokenizer::read(&path).map(Some).map_err(|source| ReportError::Tokenizer { path, source })
}

fn stages(folder: &Path) -> Result<BTreeMap<String, StageRecord>, ReportError> {
    let mut stages = BTreeMap::new();
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".stage.toml") else { continue };
        let text = optional(&path)?.unwrap_or_default();
        let record =
            toml::from_str(&text).map_err(|error| ReportError::damaged(&path, "a stage record", error.message()))?;
        stages.insert(name.to_owned(), record);
    }
    Ok(stages)
}
