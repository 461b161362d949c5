//! Stage records: what a finished stage was made of, so that running it again does nothing and other inputs are refused.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use pupil_models::digest::Digest;
use pupil_models::durable;
use serde::{Deserialize, Serialize};

use super::PipelineError;

/// `<stage>.stage.toml`: written last, so that it proves that the stage's files are whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRecord {
    /// Program and version that ran the stage.
    pub created_by: String,
    /// What decides the outcome, by name: digests of files and of settings.
    pub inputs: BTreeMap<String, Digest>,
    /// What came out, in numbers.
    pub counts: BTreeMap<String, f64>,
}

/// Collects what decides a stage's outcome.
#[derive(Clone, Debug, Default)]
pub(super) struct Inputs(BTreeMap<String, Digest>);

impl Inputs {
    /// A file, by its content.
    pub(super) fn file(&mut self, name: &str, path: &Path) -> Result<(), PipelineError> {
        let digest = File::open(path).and_then(Digest::of_reader);
        let digest = digest.map_err(|source| PipelineError::File { path: path.to_owned(), source })?;
        self.0.insert(name.to_owned(), digest);
        Ok(())
    }

    /// Something whose digest is known.
    pub(super) fn digest(&mut self, name: &str, digest: Digest) {
        self.0.insert(name.to_owned(), digest);
    }

    /// Settings, by their JSON text; those of a table key by key, so that a refusal can name the key that differs.
    pub(super) fn settings(&mut self, name: &str, value: &impl Serialize) {
        // Settings are plain structs, which always serialise.
        match serde_json::to_value(value).unwrap_or_default() {
            serde_json::Value::Object(table) => {
                for (key, value) in table {
                    self.0.insert(format!("{name}.{key}"), Digest::of(value.to_string().as_bytes()));
                }
            }
            value => {
                self.0.insert(name.to_owned(), Digest::of(value.to_string().as_bytes()));
            }
        }
    }

    /// One digest of all inputs.
    pub(super) fn fingerprint(&self) -> Digest {
        let lines: Vec<String> = self.0.iter().map(|(name, digest)| format!("{name} {digest}\n")).collect();
        Digest::of(lines.concat().as_bytes())
    }
}

/// What a stage must do.
pub(super) enum Standing {
    /// Nothing: it was done with the same inputs.
    Done(StageRecord),
    /// Its work.
    Due,
}

/// The record of a stage in a run's folder.
pub(super) struct Stage<'a> {
    name: &'a str,
    path: PathBuf,
    inputs: Inputs,
}

impl<'a> Stage<'a> {
    pub(super) fn new(folder: &Path, name: &'a str, inputs: Inputs) -> Self {
        Self { name, path: folder.join(format!("{name}.stage.toml")), inputs }
    }

    /// Whether the stage is done; refuses a record with other inputs and names the differences.
    pub(super) fn standing(&self) -> Result<Standing, PipelineError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Standing::Due),
            Err(source) => return Err(PipelineError::File { path: self.path.clone(), source }),
        };
        let record: StageRecord = toml::from_str(&text)
            .map_err(|error| PipelineError::Record { path: self.path.clone(), found: error.to_string() })?;
        if record.inputs == self.inputs.0 {
            return Ok(Standing::Done(record));
        }
        let names = record.inputs.keys().chain(self.inputs.0.keys());
        let differing = names.filter(|name| record.inputs.get(*name) != self.inputs.0.get(*name));
        let mut differing: Vec<String> = differing.cloned().collect();
        differing.sort_unstable();
        differing.dedup();
        Err(PipelineError::OtherInputs {
            stage: self.name.to_owned(),
            path: self.path.clone(),
            differing: differing.join("`, `"),
        })
    }

    /// Removes the record of a stage that was finished with other inputs; their names, if it was.
    pub(super) fn reopen(&self) -> Result<Option<String>, PipelineError> {
        match self.standing() {
            Err(PipelineError::OtherInputs { differing, path, .. }) => {
                fs::remove_file(&path).map_err(|source| PipelineError::File { path, source })?;
                Ok(Some(differing))
            }
            Err(error) => Err(error),
            Ok(_) => Ok(None),
        }
    }

    /// Removes the record, so that the stage is due again.
    pub(super) fn forget(&self) -> Result<(), PipelineError> {
        let removed = fs::remove_file(&self.path).and_then(|()| durable::sync_folder(&self.path));
        match removed {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(PipelineError::File { path: self.path.clone(), source })
            }
            _ => Ok(()),
        }
    }

    /// Whether there is a record, with whatever inputs.
    pub(super) fn is_recorded(&self) -> bool {
        self.path.exists()
    }

    pub(super) fn fingerprint(&self) -> Digest {
        self.inputs.fingerprint()
    }

    /// Marks the stage as done.
    pub(super) fn finish(self, counts: &[(impl AsRef<str>, f64)]) -> Result<StageRecord, PipelineError> {
        let record = StageRecord {
            created_by: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            inputs: self.inputs.0,
            counts: counts.iter().map(|(name, count)| (name.as_ref().to_owned(), *count)).collect(),
        };
        // Maps of strings and numbers always serialise.
        let text = toml::to_string(&record).unwrap_or_default();
        durable::write(&self.path, text.as_bytes())
            .map_err(|source| PipelineError::File { path: self.path.clone(), source })?;
        Ok(record)
    }
}
