//! What a measurement holds for.

use pupil_models::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::machine;

/// What a choice was measured with; it holds for nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Digest of the bundle's manifest.
    pub bundle: Digest,
    /// The processor, as [`machine::cpu_model`].
    pub cpu: String,
    /// Its features, as [`machine::cpu_features`].
    pub cpu_features: Vec<String>,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Version of this crate.
    pub runtime: String,
}

impl Key {
    /// The key of a bundle on this machine.
    #[must_use]
    pub fn new(bundle: Digest, onnxruntime: &str) -> Self {
        Self {
            bundle,
            cpu: machine::cpu_model(),
            cpu_features: machine::cpu_features().into_iter().map(str::to_owned).collect(),
            onnxruntime: onnxruntime.to_owned(),
            runtime: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Whether `other` is for the same bundle and processor, with other versions: what holds for it is outdated.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        let place = |key: &Self| (key.bundle, key.cpu.clone(), key.cpu_features.clone());
        place(self) == place(other) && self != other
    }

    /// Name of the files of this key's entry: two keys never share one, so that machines with one home folder do not either.
    pub(super) fn name(&self) -> String {
        let Self { bundle, cpu, cpu_features, onnxruntime, runtime } = self;
        let text = format!("{bundle}\n{cpu}\n{}\n{onnxruntime}\n{runtime}", cpu_features.join(" "));
        let digest = Digest::of(text.as_bytes()).to_string();
        digest.rsplit(':').next().unwrap_or(&digest).to_owned()
    }
}
