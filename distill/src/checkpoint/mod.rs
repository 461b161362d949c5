//! The border between training and export: a Hugging Face style folder of `config.json`, `model.safetensors` (or the several
//! files of a large one) and `tokenizer.json`, whoever wrote it.

mod weights;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use pupil_models::bundle::{BundleError, CONFIG, TOKENIZER};
use pupil_models::config::StudentConfig;
use pupil_models::durable;
use pupil_models::family::WeightShape;
use pupil_models::tokenizer::Tokenizer;
use safetensors::tensor::{Dtype, View};
pub use weights::CheckpointWeights;

/// A checked checkpoint with mapped weights.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    config: StudentConfig,
    tokenizer: Tokenizer,
    weights: CheckpointWeights,
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
        let weights = CheckpointWeights::open(folder, &config)?;
        Ok(Self { folder: folder.to_owned(), config, tokenizer, weights })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
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
    pub fn weights(&self) -> &CheckpointWeights {
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
