//! The weights of a checkpoint, in one file or in several, of any float type.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use pupil_models::bundle::{BundleError, WEIGHTS, WeightsFile, check_checkpoint};
use pupil_models::config::StudentConfig;
use pupil_models::digest::Digest;
use pupil_models::family::WeightShape;
use serde::Deserialize;

/// Name of the file that tells which weight lies in which of several files.
const INDEX: &str = "model.safetensors.index.json";

/// The mapped weights of a checkpoint.
#[derive(Debug)]
pub struct CheckpointWeights {
    files: Vec<WeightsFile>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

impl CheckpointWeights {
    /// Maps `model.safetensors` in `folder`, or, where there is none, the files that `model.safetensors.index.json` names, and
    /// checks that they hold exactly the weights of `config`.
    ///
    /// # Errors
    /// Names the file, what was expected and what was found.
    pub fn open(folder: &Path, config: &StudentConfig) -> Result<Self, BundleError> {
        let paths = paths(folder)?;
        let files = paths.iter().map(|path| WeightsFile::open(path)).collect::<Result<Vec<_>, _>>()?;
        check_checkpoint(&files, config)?;
        Ok(Self { files })
    }

    /// The files, in the order of their names.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(WeightsFile::path)
    }

    /// The file, if there is one alone and it is float32: it can become a bundle's as it is.
    #[must_use]
    pub fn whole_float32(&self) -> Option<&WeightsFile> {
        match self.files.as_slice() {
            [file] if file.is_float32() => Some(file),
            _ => None,
        }
    }

    /// Digest of the file; of several, of their contents one after the other.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn digest(&self) -> Result<Digest, BundleError> {
        self.digest_watched(|_| Ok(()))
    }

    /// As [`Self::digest`]; `watch` is told the bytes of each piece, and ends the work with an error.
    ///
    /// # Errors
    /// A file cannot be read, or `watch` has had enough.
    pub fn digest_watched(&self, watch: impl FnMut(usize) -> io::Result<()>) -> Result<Digest, BundleError> {
        let mut whole: Box<dyn Read> = Box::new(std::io::empty());
        for path in self.paths() {
            let file = File::open(path).map_err(|source| BundleError::Read { path: path.to_owned(), source })?;
            whole = Box::new(whole.chain(file));
        }
        let path = || self.paths().next().unwrap_or(Path::new(WEIGHTS)).to_owned();
        Digest::of_reader_watched(whole, watch).map_err(|source| BundleError::Read { path: path(), source })
    }

    /// Size of the files.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.files.iter().map(WeightsFile::len_bytes).sum()
    }

    /// Refuses NaN and infinite weights; reads every byte.
    ///
    /// # Errors
    /// Names the tensor and the value.
    pub fn check_finite(&self, config: &StudentConfig) -> Result<(), BundleError> {
        self.files.iter().try_for_each(|file| file.check_finite(config))
    }

    /// Appends some elements of the weight `name` to `values`, row-major, widened to float32.
    ///
    /// # Errors
    /// There is no such weight, which [`CheckpointWeights::open`] rules out for those of the config.
    ///
    /// # Panics
    /// The weight has fewer elements.
    pub fn read(&self, name: &str, elements: Range<usize>, values: &mut Vec<f32>) -> Result<(), BundleError> {
        if self.files.iter().any(|file| file.read_floats(name, elements.clone(), values)) {
            return Ok(());
        }
        Err(BundleError::Tensor {
            path: self.paths().next().unwrap_or(Path::new(WEIGHTS)).to_owned(),
            tensor: name.to_owned(),
            expected: format!("at least {} floats", elements.end),
            found: "none".to_owned(),
        })
    }

    /// The values of every weight of `table`, one after the other, widened to float32.
    ///
    /// # Errors
    /// As [`CheckpointWeights::read`].
    pub fn flat_values(&self, table: &[WeightShape]) -> Result<Vec<f32>, BundleError> {
        let mut values = Vec::with_capacity(table.iter().map(|weight| weight.shape.iter().product::<usize>()).sum());
        for WeightShape { name, shape } in table {
            self.read(name, 0..shape.iter().product(), &mut values)?;
        }
        Ok(values)
    }
}

fn paths(folder: &Path) -> Result<Vec<PathBuf>, BundleError> {
    let (whole, index) = (folder.join(WEIGHTS), folder.join(INDEX));
    if whole.exists() || !index.exists() {
        return Ok(vec![whole]);
    }
    let text = std::fs::read(&index).map_err(|source| BundleError::Read { path: index.clone(), source })?;
    let refuse = |found: String| BundleError::Weights { path: index.clone(), found };
    let parsed: Index = serde_json::from_slice(&text).map_err(|error| refuse(error.to_string()))?;
    let names: BTreeSet<String> = parsed.weight_map.into_values().collect();
    // A name with a separator could leave the folder.
    match names.iter().find(|name| Path::new(name).file_name().is_none_or(|plain| plain != name.as_str())) {
        Some(name) => {
            Err(refuse(format!("expected plain file names in `weight_map`, found `{}`", name.escape_debug())))
        }
        None if names.is_empty() => Err(refuse("expected files in `weight_map`, found none".to_owned())),
        None => Ok(names.iter().map(|name| folder.join(name)).collect()),
    }
}
