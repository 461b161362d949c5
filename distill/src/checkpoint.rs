//! The border between training and export: a Hugging Face style folder of `config.json`, `model.safetensors` and
//! `tokenizer.json`, whoever wrote it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use pupil_models::bundle::{BundleError, CONFIG, TOKENIZER, WEIGHTS, WeightsFile};
use pupil_models::config::StudentConfig;
use pupil_models::digest::Digest;
use pupil_models::durable;
use pupil_models::family::WeightShape;
use pupil_models::format::WeightFormat;
use pupil_models::tokenizer::Tokenizer;
use safetensors::tensor::{Dtype, View};

/// A checked checkpoint with mapped weights.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    config: StudentConfig,
    tokenizer: Tokenizer,
    weights: WeightsFile,
}

impl Checkpoint {
    /// Opens `folder` and checks that config, weights and tokenizer belong together.
    ///
    /// # Errors
    /// Names the file, what was expected and what was found.
    pub fn open(folder: &Path) -> Result<Self, BundleError> {
        let config = StudentConfig::read(&folder.join(CONFIG))?;
        let tokenizer = Tokenizer::read(&folder.join(TOKENIZER))?;
        tokenizer.check_fits(&config)?;
        let weights = WeightsFile::open(&folder.join(WEIGHTS))?;
        weights.check_against(&config, WeightFormat::Float32)?;
        Ok(Self { folder: folder.to_owned(), config, tokenizer, weights })
    }

    /// Digest of the weights file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn digest(&self) -> Result<Digest, BundleError> {
        let path = self.path(WEIGHTS);
        let read = std::fs::File::open(&path).and_then(Digest::of_reader);
        read.map_err(|source| BundleError::Read { path, source })
    }

    /// The architecture.
    #[must_use]
    pub fn config(&self) -> &StudentConfig {
        &self.config
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The mapped weights.
    #[must_use]
    pub fn weights(&self) -> &WeightsFile {
        &self.weights
    }

    /// Path of one of the checkpoint's files.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A float32 tensor on its way into a safetensors file.
pub(crate) struct FloatTensor<'a> {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: &'a [f32],
}

impl View for FloatTensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// Writes float32 weights, laid out one after the other in `values` in the order of `table`, as a safetensors file.
///
/// # Errors
/// The file cannot be written.
///
/// # Panics
/// If `values` is shorter than the table's shapes ask for.
pub fn write_weights(path: &Path, table: &[WeightShape], values: &[f32]) -> std::io::Result<()> {
    let mut start = 0;
    let mut tensors = Vec::with_capacity(table.len());
    for WeightShape { name, shape } in table {
        let length = shape.iter().product::<usize>();
        tensors.push((name, FloatTensor { shape: shape.clone(), values: &values[start..start + length] }));
        start += length;
    }
    let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(std::io::Error::other)?;
    durable::write(path, &bytes)
}

/// The values of every weight of `table`, one after the other.
///
/// # Errors
/// A tensor is missing; [`WeightsFile::check_against`] rules that out.
pub fn flat_values(weights: &WeightsFile, table: &[WeightShape]) -> Result<Vec<f32>, BundleError> {
    let mut values = Vec::new();
    for WeightShape { name, shape } in table {
        let bytes = weights.bytes(name).ok_or_else(|| BundleError::Tensor {
            path: weights.path().to_owned(),
            tensor: name.clone(),
            expected: format!("F32 {shape:?}"),
            found: "none".to_owned(),
        })?;
        values.extend(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    }
    Ok(values)
}
