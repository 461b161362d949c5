//! Rows of JSONL files, with errors that name file, line and key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

/// Why a JSONL file, or one row of it, is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not a JSON object.
    #[error("`{path}`, line {line}: expected a JSON object, found {found}")]
    Form {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What the line holds.
        found: String,
    },
    /// A value of a row is missing or of another kind.
    #[error("`{path}`, line {line}, key `{key}`: expected {expected}, found {found}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// The key.
        key: String,
        /// What is accepted.
        expected: String,
        /// What the row holds.
        found: String,
    },
}

/// One row: a JSON object and where it stands.
#[derive(Debug)]
pub(crate) struct Row {
    path: Arc<Path>,
    line: usize,
    values: Map<String, Value>,
}

/// The rows of the JSONL file at `path`; blank lines are passed over.
pub(crate) fn rows(path: &Path) -> Result<impl Iterator<Item = Result<Row, RowError>> + use<>, RowError> {
    let bytes = std::fs::read(path).map_err(|source| RowError::Read { path: path.to_owned(), source })?;
    let start = if bytes.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
    let lines: Vec<Vec<u8>> = bytes[start..].split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let path: Arc<Path> = path.into();
    let numbered = lines.into_iter().zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty());
    Ok(numbered.map(move |(line, number)| Row::parse(&path, number, &line)))
}

impl Row {
    fn parse(path: &Arc<Path>, line: usize, bytes: &[u8]) -> Result<Self, RowError> {
        let refuse = |found| RowError::Form { path: path.to_path_buf(), line, found };
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(values)) => Ok(Self { path: path.clone(), line, values }),
            Ok(other) => Err(refuse(described(Some(&other)))),
            Err(error) => Err(refuse(format!("text that is not JSON ({})", without_line(&error)))),
        }
    }

    /// All values by key.
    pub(crate) fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// Line, counted from 1.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// The refusal of this row's `key`.
    pub(crate) fn refused(&self, key: &str, expected: impl Into<String>, found: impl Into<String>) -> RowError {
        RowError::Value {
            path: self.path.to_path_buf(),
            line: self.line,
            key: key.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// A text, which may be empty.
    pub(crate) fn text(&self, key: &str) -> Result<&str, RowError> {
        self.value(key).as_str().ok_or_else(|| self.refused(key, "a text", described(self.values.get(key))))
    }

    /// A text with something in it.
    pub(crate) fn written(&self, key: &str) -> Result<&str, RowError> {
        let text = self.text(key)?;
        if text.trim().is_empty() {
            return Err(self.refused(key, "a text with something in it", format!("`{text}`")));
        }
        Ok(text)
    }

    /// A text, or nothing where the key is missing or null.
    pub(crate) fn optional_text(&self, key: &str) -> Result<Option<&str>, RowError> {
        match self.value(key) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            other => Err(self.refused(key, "a text or null", described(Some(other)))),
        }
    }

    /// An id: a whole number from 0, or a text.
    pub(crate) fn id(&self, key: &str) -> Result<String, RowError> {
        id_text(self.value(key))
            .ok_or_else(|| self.refused(key, "a whole number from 0, or a text", described(self.values.get(key))))
    }

    /// A whole number from 0 to 4294967295.
    pub(crate) fn index(&self, key: &str) -> Result<u32, RowError> {
        let number = self.value(key).as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.refused(key, "a whole number from 0", described(self.values.get(key))))
    }

    /// A value; null where the key is missing.
    pub(crate) fn value(&self, key: &str) -> &Value {
        self.values.get(key).unwrap_or(&Value::Null)
    }
}

/// The written form of an id, or `None` where `value` is none.
pub(crate) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// A value in words that fit an error message; long texts are cut.
pub(crate) fn described(value: Option<&Value>) -> String {
    const SHOWN: usize = 40;
    match value {
        None => "nothing".to_owned(),
        Some(Value::Array(_)) => "a list".to_owned(),
        Some(Value::Object(_)) => "an object".to_owned(),
        Some(Value::String(text)) if text.chars().count() > SHOWN => {
            format!("the text `{}…`", text.chars().take(SHOWN).collect::<String>())
        }
        Some(Value::String(text)) => format!("the text `{text}`"),
        Some(other) => format!("`{other}`"),
    }
}

/// The parser's message with the column alone: it counts lines within the row, where all is line 1.
fn without_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}
