//! Split files: which examples are for training and which are for testing.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::DatasetError;
use super::row::{described, id_text};

/// A split by file and name, written `coin_flip__default.json:test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SplitReference {
    /// The split file.
    pub path: PathBuf,
    /// The split's name in it.
    pub name: String,
}

impl FromStr for SplitReference {
    type Err = DatasetError;

    fn from_str(text: &str) -> Result<Self, DatasetError> {
        // From the right, because a path may hold colons and a name may not.
        let parts = text.rsplit_once(':').filter(|(path, name)| !path.is_empty() && !name.is_empty());
        let (path, name) = parts.ok_or_else(|| DatasetError::Reference { found: text.to_owned() })?;
        Ok(Self { path: path.into(), name: name.to_owned() })
    }
}

impl TryFrom<String> for SplitReference {
    type Error = DatasetError;

    fn try_from(text: String) -> Result<Self, DatasetError> {
        text.parse()
    }
}

impl From<SplitReference> for String {
    fn from(reference: SplitReference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for SplitReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.path.display(), self.name)
    }
}

/// The ids that the split file at `path` lists under `name`, each once.
pub(super) fn read(path: &Path, name: &str) -> Result<Vec<String>, DatasetError> {
    let refuse = |expected: &str, found: String| {
        Err(DatasetError::Split { path: path.to_owned(), expected: expected.to_owned(), found })
    };
    let splits = parse(path)?;
    let Some(listed) = splits.get(name) else {
        let names: Vec<_> = splits.keys().map(|name| format!("`{name}`")).collect();
        return refuse(&format!("one of its splits {}", names.join(", ")), format!("`{name}`"));
    };
    let Some(values) = listed.as_array() else {
        return refuse(&format!("`{name}` to be a list of ids"), described(Some(listed)));
    };
    let mut ids = Vec::with_capacity(values.len());
    let mut seen = HashSet::new();
    for value in values {
        match id_text(value) {
            Some(id) if seen.insert(id.clone()) => ids.push(id),
            Some(id) => return refuse(&format!("every id of `{name}` once"), format!("`{id}` again")),
            None => return refuse(&format!("`{name}` to list whole numbers or texts"), described(Some(value))),
        }
    }
    Ok(ids)
}

fn parse(path: &Path) -> Result<Map<String, Value>, DatasetError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| DatasetError::ReadSplit { path: path.to_owned(), source })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    serde_json::from_str(text).map_err(|error| DatasetError::Split {
        path: path.to_owned(),
        expected: "an object of lists of ids".to_owned(),
        found: error.to_string(),
    })
}
