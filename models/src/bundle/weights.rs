//! The weights of a bundle or checkpoint: a mapped safetensors file whose header was checked.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};

use super::BundleError;
use crate::config::StudentConfig;
use crate::family::{self, WeightShape};
use crate::map::map_read_only;

/// Longest accepted header: stricter than the format's own 100 MB, ample for 65,536 tensors.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// A mapped safetensors file.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    map: Mmap,
    metadata: Metadata,
    data_start: usize,
}

/// Where a tensor's bytes lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorRange {
    /// Offset of the first byte from the start of the file.
    pub offset: usize,
    /// Number of bytes.
    pub bytes: usize,
}

impl WeightsFile {
    /// Maps the file and checks its header; the tensors' pages are not touched.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        let refuse = |found: String| BundleError::Weights { path: path.to_owned(), found };
        let file = File::open(path).map_err(|source| BundleError::read(path, source))?;
        let map = map_read_only(&file).map_err(|source| BundleError::read(path, source))?;
        let declared = map.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if declared > MAX_HEADER_BYTES {
            return Err(refuse(format!("expected a header of at most {MAX_HEADER_BYTES} bytes, found {declared}")));
        }
        let (header_bytes, metadata) = SafeTensors::read_metadata(&map).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { path: path.to_owned(), data_start: 8 + header_bytes, map, metadata })
    }

    /// Checks that the file holds exactly the weights of `config`, all float32.
    pub fn check_against(&self, config: &StudentConfig) -> Result<(), BundleError> {
        let table = family::weights(config);
        for WeightShape { name, shape } in &table {
            let expected = describe(Dtype::F32, shape);
            let found = self.metadata.info(name).map_or("none".to_owned(), |info| describe(info.dtype, &info.shape));
            if found != expected {
                return Err(self.mismatch(name, expected, found));
            }
        }
        let extra =
            self.metadata.tensors().into_iter().find(|(name, _)| !table.iter().any(|weight| weight.name == *name));
        match extra {
            Some((name, info)) => {
                Err(self.mismatch(&name, "no such tensor".to_owned(), describe(info.dtype, &info.shape)))
            }
            None => Ok(()),
        }
    }

    /// Refuses NaN and infinite weights; reads every byte.
    pub fn check_finite(&self) -> Result<(), BundleError> {
        for (name, info) in self.metadata.tensors() {
            let values = self.bytes_of(info).as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            if let Some((index, value)) = values.enumerate().find(|(_, value)| !value.is_finite()) {
                return Err(BundleError::NonFinite { path: self.path.clone(), tensor: name, index, value });
            }
        }
        Ok(())
    }

    /// Where the bytes of tensor `name` lie, or `None` if there is no such tensor.
    #[must_use]
    pub fn range(&self, name: &str) -> Option<TensorRange> {
        let (begin, end) = self.metadata.info(name)?.data_offsets;
        Some(TensorRange { offset: self.data_start + begin, bytes: end - begin })
    }

    /// The little-endian bytes of tensor `name`, or `None` if there is no such tensor.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        Some(self.bytes_of(self.metadata.info(name)?))
    }

    /// Size of the file.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.map.len()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn bytes_of(&self, info: &TensorInfo) -> &[u8] {
        let (begin, end) = info.data_offsets;
        &self.map[self.data_start + begin..self.data_start + end]
    }

    fn mismatch(&self, tensor: &str, expected: String, found: String) -> BundleError {
        BundleError::Tensor { path: self.path.clone(), tensor: tensor.to_owned(), expected, found }
    }
}

fn describe(dtype: Dtype, shape: &[usize]) -> String {
    format!("{dtype:?} {shape:?}")
}
