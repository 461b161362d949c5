//! `experiment.toml` in a run's folder: the settings that made it.

use std::collections::BTreeMap;
use std::path::Path;

use pupil_models::answer::Grader;
use pupil_models::contract::ReasoningContract;
use pupil_models::digest::Digest;
use serde::Deserialize;
use toml::Value;

use super::optional;
use crate::experiment::{ContractTable, Method};
use crate::pipeline::EXPERIMENT;
use crate::report::ReportError;

/// The settings that made a run.
#[derive(Clone, Debug)]
pub(in crate::report) struct Settings {
    /// The file's text.
    pub(in crate::report) text: String,
    /// SHA-256 of the text.
    pub(in crate::report) digest: Digest,
    /// Every value by its path, such as `train.seed` or `source.0.degree`.
    pub(in crate::report) values: BTreeMap<String, Value>,
    known: Known,
}

/// What the report has to understand; all else is shown and compared, whatever it is.
#[derive(Clone, Debug, Deserialize)]
struct Known {
    #[serde(default)]
    method: Method,
    contract: ContractTable,
    #[serde(default)]
    filter: KnownFilter,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct KnownFilter {
    grader: Option<Grader>,
}

impl Settings {
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ReportError> {
        let path = folder.join(EXPERIMENT);
        let Some(text) = optional(&path)? else { return Ok(None) };
        let damaged = |error: toml::de::Error| ReportError::damaged(&path, "an experiment", error.message());
        let known: Known = toml::from_str(&text).map_err(damaged)?;
        let mut values = BTreeMap::new();
        flatten("", Value::Table(toml::from_str(&text).map_err(damaged)?), &mut values);
        Ok(Some(Self { digest: Digest::of(text.as_bytes()), values, known, text }))
    }

    /// The contract that the student is trained under.
    pub(super) fn contract(&self) -> ReasoningContract {
        let contract = ReasoningContract::from(self.known.contract.clone());
        if self.is_vanilla() { contract.without_rationale() } else { contract }
    }

    pub(super) fn is_vanilla(&self) -> bool {
        self.known.method == Method::FineTune
    }

    /// The grader of the teacher's answers, if it is not the contract's.
    pub(super) fn filter_grader(&self) -> Option<Grader> {
        self.known.filter.grader
    }

    /// The degree D of diverse reasoning, where it is a number and the same for all sources.
    pub(super) fn degree(&self) -> Option<i64> {
        let is_degree = |key: &str| key.starts_with("source.") && key.ends_with(".degree");
        let mut degrees = self.values.iter().filter(|(key, _)| is_degree(key)).map(|(_, value)| value.as_integer());
        let first = degrees.next()??;
        degrees.all(|degree| degree == Some(first)).then_some(first)
    }
}

/// Takes a tree of tables and lists apart into values by path.
fn flatten(path: &str, value: Value, into: &mut BTreeMap<String, Value>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Table(table) => table.into_iter().for_each(|(key, value)| flatten(&below(&key), value, into)),
        Value::Array(values) if values.iter().any(Value::is_table) => {
            values.into_iter().enumerate().for_each(|(index, value)| flatten(&below(&index.to_string()), value, into));
        }
        value => {
            into.insert(path.to_owned(), value);
        }
    }
}
