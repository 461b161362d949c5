//! What an experiment file can be: one that trains a student, one that measures one, or a sweep over either.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::DeserializeOwned;

use super::{Experiment, ExperimentError, Measurement, MeasurementPlan, Plan, require};
use crate::eval::PromptingMethod;

/// The table of the axes.
pub(super) const SWEEP: &str = "sweep";

/// An experiment file without a sweep.
#[derive(Clone, Debug)]
pub enum ExperimentFile {
    /// It trains a student.
    Training(Box<Experiment>),
    /// It measures a student that is there already.
    Measurement(Box<Measurement>),
}

/// A validated experiment file.
#[derive(Debug)]
pub enum FilePlan {
    /// It trains a student.
    Training(Box<Plan>),
    /// It measures a student that is there already.
    Measurement(Box<MeasurementPlan>),
}

impl ExperimentFile {
    /// Reads an experiment file.
    ///
    /// # Errors
    /// The file cannot be read, or is not an experiment, or has a sweep.
    pub fn read(path: &Path) -> Result<Self, ExperimentError> {
        let text = read(path)?;
        let failed = |source| ExperimentError::Parse { path: path.to_owned(), source: Box::new(source) };
        let table: toml::Table = toml::from_str(&text).map_err(failed)?;
        if table.contains_key(SWEEP) {
            return Err(ExperimentError::Sweep { path: path.to_owned() });
        }
        // Parsed again from the text, so that an error can name the line.
        if measures(&table)? {
            return Ok(Self::Measurement(Box::new(toml::from_str(&text).map_err(failed)?)));
        }
        Ok(Self::Training(Box::new(toml::from_str(&text).map_err(failed)?)))
    }

    /// What an already parsed file is.
    ///
    /// # Errors
    /// The parser's message where the table is no experiment.
    pub(super) fn from_table(table: toml::Table) -> Result<Self, String> {
        fn parse<T: DeserializeOwned>(table: toml::Table) -> Result<Box<T>, String> {
            table.try_into().map(Box::new).map_err(|error: toml::de::Error| error.message().to_owned())
        }
        if measures(&table).map_err(|error| error.to_string())? {
            return parse(table).map(Self::Measurement);
        }
        parse(table).map(Self::Training)
    }

    /// The run's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Training(experiment) => &experiment.name,
            Self::Measurement(measurement) => &measurement.name,
        }
    }

    /// Gives the run another name.
    pub fn rename(&mut self, name: &str) {
        match self {
            Self::Training(experiment) => name.clone_into(&mut experiment.name),
            Self::Measurement(measurement) => name.clone_into(&mut measurement.name),
        }
    }

    /// Validates the file, whose paths are relative to the folder `base`, for one run below the folder `runs`.
    ///
    /// # Errors
    /// [`ExperimentError`], also where the experiment is of several runs, rounds of self-training; nothing is written.
    pub fn plan(&self, base: &Path, runs: &Path) -> Result<FilePlan, ExperimentError> {
        Ok(match self {
            Self::Training(experiment) => {
                let is_one = experiment.self_training.is_none();
                require("self_training", is_one, "nothing, because one run is wanted", "rounds")?;
                FilePlan::Training(Box::new(Plan::new(experiment, base, runs)?))
            }
            Self::Measurement(measurement) => {
                FilePlan::Measurement(Box::new(MeasurementPlan::new(measurement, base, runs)?))
            }
        })
    }
}

impl FilePlan {
    /// Folder of the run.
    #[must_use]
    pub fn folder(&self) -> &PathBuf {
        match self {
            Self::Training(plan) => &plan.folder,
            Self::Measurement(plan) => &plan.folder,
        }
    }
}

pub(super) fn read(path: &Path) -> Result<String, ExperimentError> {
    std::fs::read_to_string(path).map_err(|source| ExperimentError::Read { path: path.to_owned(), source })
}

/// Whether a file's `method` is one that trains nothing.
fn measures(table: &toml::Table) -> Result<bool, ExperimentError> {
    const TRAINING: [&str; 2] = ["fine_tune_cot", "fine_tune"];
    let Some(method) = table.get("method") else { return Ok(false) };
    let name = method.as_str().unwrap_or_default();
    let written = |method: PromptingMethod| method.as_str() == name;
    if TRAINING.contains(&name) {
        return Ok(false);
    }
    if PromptingMethod::from_str(name).is_ok_and(written) {
        return Ok(true);
    }
    let names = TRAINING.into_iter().chain(PromptingMethod::ALL.map(PromptingMethod::as_str));
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    Err(ExperimentError::Value {
        key: "method".to_owned(),
        expected: format!("one of {}", names.join(", ")),
        found: method.to_string(),
    })
}
