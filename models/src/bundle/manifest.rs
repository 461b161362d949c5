//! `pupil.json`: what is in a bundle, and what was proved about it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{BundleError, MANIFEST, Parity, RECORDED_FILES};
use crate::digest::Digest;
use crate::family::Family;
use crate::format::WeightFormat;

/// The bundle format that this build reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// The manifest of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT_VERSION`].
    pub format: u32,
    /// Family of the forward pass, as `model_type` in `config.json`.
    pub family: Family,
    /// How the weights are stored.
    pub weights: WeightFormat,
    /// Number of weights.
    pub parameters: usize,
    /// Digest of the reasoning contract.
    pub contract: Digest,
    /// Where the student comes from.
    pub provenance: Provenance,
    /// Proof that the graph computes what the trainer computed; absent if nobody compared them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parity: Option<Parity>,
    /// What rounding knew about the inputs of the layers; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibrated>,
    /// Size and digest of every file but the manifest.
    pub files: BTreeMap<String, FileRecord>,
}

/// Where a student comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Name of the experiment, or of the checkpoint's folder.
    pub name: String,
    /// Program and version that wrote the bundle.
    pub created_by: String,
    /// Digest of the checkpoint's weights.
    pub checkpoint: Digest,
}

/// What the student read before its weights were rounded, and what that was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrated {
    /// What the statistics of the inputs were for.
    pub method: CalibrationMethod,
    /// Training samples that the student read.
    pub samples: usize,
    /// Digest of the file that they were taken from; absent if they were from none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Digest>,
}

/// What statistics of the inputs of the layers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalibrationMethod {
    /// The choice of scales: an error in a channel that carries much counts more.
    Scales,
    /// Errors are made up for by weights that were not rounded yet.
    Compensation,
}

/// Size and digest of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Size in bytes.
    pub bytes: u64,
    /// Digest of the content.
    pub sha256: Digest,
}

impl Manifest {
    /// Reads `pupil.json` in `folder`; nothing else is looked at.
    pub fn read(folder: &Path) -> Result<Self, BundleError> {
        Self::read_with_digest(folder).map(|(manifest, _)| manifest)
    }

    /// As [`Self::read`], with the digest of the file's bytes: it covers the digests of all other files, and so identifies
    /// the bundle.
    pub fn read_with_digest(folder: &Path) -> Result<(Self, Digest), BundleError> {
        let path = folder.join(MANIFEST);
        let text = std::fs::read_to_string(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                BundleError::NotABundle { folder: folder.to_owned() }
            }
            _ => BundleError::read(&path, source),
        })?;
        let refuse = |found: String| BundleError::Manifest { path: path.clone(), found };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        // The version is read first: a newer manifest may hold keys that this build would call unknown.
        let found = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0) as u32;
        if found != FORMAT_VERSION {
            return Err(BundleError::Version { path, expected: FORMAT_VERSION, found });
        }
        let manifest: Self = serde_json::from_value(value).map_err(|error| refuse(error.to_string()))?;
        manifest.check_files().map_err(refuse)?;
        Ok((manifest, Digest::of(text.as_bytes())))
    }

    /// Every required file is recorded, and every name is a plain file name, so that no path leaves the folder.
    fn check_files(&self) -> Result<(), String> {
        if let Some(missing) = RECORDED_FILES.into_iter().find(|&name| !self.files.contains_key(name)) {
            return Err(format!("expected a record for `{missing}` in `files`, found none"));
        }
        match self.files.keys().find(|name| !is_plain_name(name)) {
            Some(name) => Err(format!("expected plain file names in `files`, found `{}`", name.escape_debug())),
            None => Ok(()),
        }
    }
}

fn is_plain_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.bytes().all(legal)
}
