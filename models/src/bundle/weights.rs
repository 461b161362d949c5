//! The weights of a bundle or checkpoint: a mapped safetensors file whose header was checked.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};

use super::BundleError;
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

    /// Appends the values of some elements of a tensor, widened to float32, or tells that there is no tensor `name` of
    /// floats.
    ///
    /// # Panics
    /// The tensor has fewer elements.
    #[must_use]
    pub fn read_floats(&self, name: &str, elements: Range<usize>, values: &mut Vec<f32>) -> bool {
        let Some(info) = self.metadata.info(name) else { return false };
        let bytes = |size: usize| &self.bytes_of(info)[size * elements.start..size * elements.end];
        match info.dtype {
            Dtype::F32 => values.extend(bytes(4).as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes))),
            Dtype::F16 => values.extend(bytes(2).as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32())),
            Dtype::BF16 => {
                values.extend(bytes(2).as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()));
            }
            _ => return false,
        }
        true
    }

    /// Whether every tensor is float32.
    #[must_use]
    pub fn is_float32(&self) -> bool {
        self.metadata.tensors().values().all(|info| info.dtype == Dtype::F32)
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

    pub(super) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub(super) fn bytes_of(&self, info: &TensorInfo) -> &[u8] {
        let (begin, end) = info.data_offsets;
        &self.map[self.data_start + begin..self.data_start + end]
    }

    pub(super) fn mismatch(&self, tensor: &str, expected: String, found: String) -> BundleError {
        BundleError::Tensor { path: self.path.clone(), tensor: tensor.to_owned(), expected, found }
    }
}
