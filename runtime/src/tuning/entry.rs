//! What is stored, and why it may be passed over.

use std::io;
use std::num::NonZeroUsize;

use pupil_models::digest::Digest;
use serde::{Deserialize, Serialize};

use super::{Key, SavedGraph};
use crate::kernels::CacheType;
use crate::machine;

/// Version of the stored form.
pub const SCHEMA: u32 = 3;

/// Most rows of a batch that a choice may name.
pub const MOST_BATCH_ROWS: usize = 64;

/// What is best for one bundle on one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// Whether idle threads look for work for a while before they sleep.
    pub spinning: bool,
    /// Whether every thread but the calling one is bound to a core of its own.
    pub affinity: bool,
    /// Whether ONNX Runtime copies the weights into a layout of its own.
    pub prepacking: bool,
    /// What keys and values are stored as.
    pub cache: CacheType,
    /// Rows that batches are best answered in.
    pub batch_rows: NonZeroUsize,
}

/// One way to run the student, and how it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Threads that computed.
    pub threads: NonZeroUsize,
    /// Whether idle threads span.
    pub spinning: bool,
    /// Whether they were bound to cores.
    pub affinity: bool,
    /// Whether weights were pre-packed.
    pub prepacking: bool,
    /// What keys and values were stored as.
    pub cache: CacheType,
    /// Rows that were answered at once.
    pub rows: NonZeroUsize,
    /// Tokens of the prompt and of the completion.
    pub prompt_tokens: usize,
    /// Tokens of the completion.
    pub completion_tokens: usize,
    /// Milliseconds that each round took.
    pub rounds_ms: Vec<f64>,
}

/// What is stored for a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What the choice holds for.
    pub key: Key,
    /// The choice.
    pub choice: Choice,
    /// What it was chosen from.
    pub candidates: Vec<Candidate>,
    /// The optimised graph with pre-packed weights, where the choice has a use for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_graph: Option<SavedGraph>,
}

/// Why a stored entry, or the graph saved beside it, is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ignored {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is a link, a folder or something else.
    #[error("expected a plain file")]
    NotAFile,
    /// It is a link, a file or something else.
    #[error("expected a folder")]
    NotAFolder,
    /// Another user wrote it, or could.
    #[error("expected one that only user {expected} can write, found {found}")]
    Foreign {
        /// The user of this process.
        expected: u32,
        /// Its owner or permissions.
        found: String,
    },
    /// It is larger than any entry.
    #[error("expected at most {most} bytes, found {found}")]
    Size {
        /// Most bytes of an entry.
        most: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// It is no entry.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// It was stored by another version.
    #[error("expected schema {SCHEMA}, found {found}")]
    Schema {
        /// Schema of the entry.
        found: u64,
    },
    /// It holds for another bundle, processor or version.
    #[error("measured for {field} {found}, here it is {expected}")]
    Key {
        /// The field of the key.
        field: &'static str,
        /// What it is here.
        expected: String,
        /// What the entry holds for.
        found: String,
    },
    /// It is not as long as what was saved.
    #[error("expected {expected} bytes, found {found}")]
    Length {
        /// Bytes that were saved.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// It is not what was saved.
    #[error("expected {expected}, found {found}")]
    Digest {
        /// Digest of what was saved.
        expected: Digest,
        /// Digest of the file.
        found: Digest,
    },
    /// Something about one of the files or folders of a saved graph.
    #[error("`{name}`: {reason}")]
    File {
        /// The file or folder.
        name: &'static str,
        /// Why it is not used.
        reason: Box<Ignored>,
    },
    /// A value is impossible here.
    #[error("{field}: expected 1 to {most}, found {found}")]
    Range {
        /// The field of the choice.
        field: &'static str,
        /// Most that is possible.
        most: usize,
        /// What the entry has.
        found: usize,
    },
}

impl Ignored {
    pub(super) fn in_file(name: &'static str, reason: Self) -> Self {
        Self::File { name, reason: Box::new(reason) }
    }
}

impl Entry {
    /// Parses an entry and checks its values; the key is not looked at.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Ignored> {
        let corrupt = |error: serde_json::Error| Ignored::Corrupt(error.to_string());
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(corrupt)?;
        // The version is read first: a newer entry may hold keys that this build would call unknown.
        match value.get("schema").and_then(serde_json::Value::as_u64) {
            Some(found) if found == u64::from(SCHEMA) => {}
            Some(found) => return Err(Ignored::Schema { found }),
            None => return Err(Ignored::Corrupt("no `schema`".to_owned())),
        }
        let entry: Self = serde_json::from_value(value).map_err(corrupt)?;
        entry.choice.check()?;
        Ok(entry)
    }

    /// Refuses an entry that holds for something else than `expected`.
    ///
    /// # Errors
    /// [`Ignored::Key`] with the first field that differs.
    pub fn check_key(&self, expected: &Key) -> Result<(), Ignored> {
        let found = &self.key;
        let fields = [
            ("bundle", expected.bundle.to_string(), found.bundle.to_string()),
            ("processor", expected.cpu.clone(), found.cpu.clone()),
            ("processor features", expected.cpu_features.join(" "), found.cpu_features.join(" ")),
            ("ONNX Runtime", expected.onnxruntime.clone(), found.onnxruntime.clone()),
            ("runtime", expected.runtime.clone(), found.runtime.clone()),
        ];
        match fields.into_iter().find(|(_, expected, found)| expected != found) {
            Some((field, expected, found)) => Err(Ignored::Key { field, expected, found }),
            None => Ok(()),
        }
    }
}

impl Choice {
    fn check(&self) -> Result<(), Ignored> {
        let limits =
            [("threads", self.threads.get(), machine::cores()), ("batch_rows", self.batch_rows.get(), MOST_BATCH_ROWS)];
        match limits.into_iter().find(|(_, found, most)| found > most) {
            Some((field, found, most)) => Err(Ignored::Range { field, most, found }),
            None => Ok(()),
        }
    }
}
