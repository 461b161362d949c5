//! Checkpoints of a run under way: one safetensors file each, whole or absent, the newest two kept.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pupil_models::digest::Digest;
use pupil_models::durable;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::checkpoint::FloatTensor;
use crate::train::TrainError;

/// Where a run is; everything that is not a tensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// Optimizer steps done.
    pub(super) step: u32,
    /// Phase of the curriculum under way.
    pub(super) phase: usize,
    /// Epoch of the phase under way, counted from 0.
    pub(super) epoch: u32,
    /// Batches of that epoch already learned from.
    pub(super) batch: usize,
    /// Target tokens learned from.
    pub(super) target_tokens: u64,
    /// Exponential mean of the training loss.
    pub(super) smoothed_loss: f64,
    /// Updates in a row that were skipped for want of a finite gradient.
    pub(super) skipped: u32,
    /// Lowest held-out loss and its step.
    pub(super) best: Option<(f64, u32)>,
}

/// Tensors of a run, each `[number of weights]`.
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    pub(super) weights: Vec<f32>,
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
    /// Weights of the lowest held-out loss; empty until there are some.
    pub(super) best: Vec<f32>,
}

/// What a run continues from.
#[derive(Debug)]
pub(super) struct Newest {
    /// The newest whole checkpoint.
    pub(super) saved: Option<(Position, Buffers)>,
    /// Newer ones that are not whole.
    pub(super) damaged: Vec<PathBuf>,
}

/// What is kept of the run beside its tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    fingerprint: Digest,
    threads: usize,
    position: Position,
    /// Digest of the tensors, because a flipped bit would otherwise be trained on.
    tensors: Digest,
}

const KEY: &str = "pupil.trainer";

/// The folder of a run's checkpoints.
#[derive(Debug)]
pub(super) struct CheckpointStore {
    folder: PathBuf,
    fingerprint: Digest,
    threads: usize,
}

impl CheckpointStore {
    pub(super) fn open(folder: &Path, fingerprint: Digest, threads: usize) -> Result<Self, TrainError> {
        fs::create_dir_all(folder).map_err(|source| TrainError::File { path: folder.to_owned(), source })?;
        Ok(Self { folder: folder.to_owned(), fingerprint, threads })
    }

    /// Writes a checkpoint and removes all but the newest two.
    pub(super) fn save(&self, position: &Position, buffers: &Buffers) -> Result<(), TrainError> {
        let path = self.folder.join(format!("step-{:08}.safetensors", position.step));
        self.write(&path, position, buffers).map_err(|source| TrainError::File { path: path.clone(), source })?;
        for old in self.newest_first().into_iter().skip(2) {
            // A checkpoint that cannot be removed costs disk, not correctness.
            let _ = fs::remove_file(old);
        }
        Ok(())
    }

    fn write(&self, path: &Path, position: &Position, buffers: &Buffers) -> io::Result<()> {
        let header = Header {
            fingerprint: self.fingerprint,
            threads: self.threads,
            position: position.clone(),
            tensors: digest(buffers),
        };
        let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(&header)?)]);
        let tensors = buffers.named().map(|(name, values)| (name, FloatTensor { shape: vec![values.len()], values }));
        let staged = durable::staging_path(path);
        let written = safetensors::serialize_to_file(tensors, Some(metadata), &staged)
            .map_err(io::Error::other)
            .and_then(|()| File::open(&staged)?.sync_all())
            .and_then(|()| fs::rename(&staged, path));
        if written.is_err() {
            // On a full disk its space is needed; the write's own error matters more than this one's.
            let _ = fs::remove_file(&staged);
        }
        written.and_then(|()| durable::sync_folder(path))
    }

    /// The newest checkpoint that is whole, and the newer ones that are not.
    pub(super) fn newest(&self) -> Result<Newest, TrainError> {
        let mut damaged = Vec::new();
        for path in self.newest_first() {
            match read(&path) {
                Ok((header, buffers)) => {
                    self.check(&path, &header)?;
                    return Ok(Newest { saved: Some((header.position, buffers)), damaged });
                }
                Err(_) => damaged.push(path),
            }
        }
        Ok(Newest { saved: None, damaged })
    }

    fn check(&self, path: &Path, header: &Header) -> Result<(), TrainError> {
        let describe = |fingerprint: Digest, threads: usize| format!("{fingerprint} with {threads} threads");
        // The order in which threads add is part of the result, so their number is part of the identity.
        if (header.fingerprint, header.threads) == (self.fingerprint, self.threads) {
            return Ok(());
        }
        Err(TrainError::Fingerprint {
            path: path.to_owned(),
            expected: describe(self.fingerprint, self.threads),
            found: describe(header.fingerprint, header.threads),
        })
    }

    fn newest_first(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_checkpoint = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("step-") && path.extension().is_some_and(|extension| extension == "safetensors")
        };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_checkpoint).collect();
        paths.sort_unstable_by(|left, right| right.cmp(left));
        paths
    }
}

impl Buffers {
    fn named(&self) -> impl Iterator<Item = (&'static str, &[f32])> {
        [
            ("weights", self.weights.as_slice()),
            ("first_moment", &self.first),
            ("second_moment", &self.second),
            ("best_weights", &self.best),
        ]
        .into_iter()
    }
}

fn digest(buffers: &Buffers) -> Digest {
    let bytes: Vec<u8> = buffers.named().flat_map(|(_, values)| values).flat_map(|value| value.to_le_bytes()).collect();
    Digest::of(&bytes)
}

fn read(path: &Path) -> io::Result<(Header, Buffers)> {
    let bytes = fs::read(path)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(io::Error::other)?;
    let header = metadata.metadata().as_ref().and_then(|entries| entries.get(KEY));
    let header: Header = serde_json::from_str(header.ok_or_else(|| io::Error::other("no trainer state"))?)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(io::Error::other)?;
    let values = |name: &str| -> io::Result<Vec<f32>> {
        let tensor = tensors.tensor(name).map_err(io::Error::other)?;
        Ok(tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    };
    let buffers = Buffers {
        weights: values("weights")?,
        first: values("first_moment")?,
        second: values("second_moment")?,
        best: values("best_weights")?,
    };
    if digest(&buffers) != header.tensors {
        return Err(io::Error::other("the tensors do not have the recorded digest"));
    }
    Ok((header, buffers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &Path) -> CheckpointStore {
        CheckpointStore::open(folder, Digest::of(b"run"), 2).unwrap()
    }

    fn save(store: &CheckpointStore, step: u32) {
        let values = vec![step as f32, 0.1, -0.0];
        let buffers = Buffers { weights: values.clone(), first: values.clone(), second: values, best: vec![] };
        store.save(&Position { step, smoothed_loss: 0.1, ..Position::default() }, &buffers).unwrap();
    }

    #[test]
    fn a_damaged_newest_checkpoint_falls_back_to_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        (1..=3).for_each(|step| save(&store, step));
        assert_eq!(store.newest_first().len(), 2);
        let newest = store.newest_first()[0].clone();
        let mut bytes = fs::read(&newest).unwrap();
        for spoil in [bytes.len() - 1, 3] {
            bytes[spoil] ^= 1;
            fs::write(&newest, &bytes).unwrap();
            let Newest { saved, damaged } = store.newest().unwrap();
            assert_eq!(saved.unwrap().0.step, 2);
            assert_eq!(damaged, std::slice::from_ref(&newest));
        }
    }

    #[test]
    fn a_checkpoint_of_another_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        save(&store(folder.path()), 1);
        let other = CheckpointStore::open(folder.path(), Digest::of(b"other run"), 2).unwrap();
        assert_eq!(other.newest().unwrap_err().code(), "E_FINGERPRINT");
        let other = CheckpointStore::open(folder.path(), Digest::of(b"run"), 1).unwrap();
        assert_eq!(other.newest().unwrap_err().code(), "E_FINGERPRINT");
    }
}
