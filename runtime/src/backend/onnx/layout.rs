//! How a student's keys and values lie in the tensors that its graph takes them in.

use pupil_models::config::StudentConfig;
use pupil_models::format::WeightFormat;
use pupil_models::graph;

use crate::kernels::CacheType;

/// Sizes of the key-value cache.
///
/// A native graph declares `[rows, kv_heads, capacity, head_dim]` of float16 whatever is in there: what its operator makes
/// of the bytes of a head is the operator's business, so that one graph serves every type. Its capacity is then the number
/// of float16 rows that have as many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) format: WeightFormat,
    cache: CacheType,
    layers: usize,
    heads: usize,
    head_dim: usize,
}

impl Layout {
    /// The layout of a cache of this type, which must be one that the format offers.
    pub(super) fn new(config: &StudentConfig, format: WeightFormat, cache: CacheType) -> Self {
        Self { format, cache, layers: config.layers, heads: config.kv_heads, head_dim: config.head_dim }
    }

    pub(super) fn layers(&self) -> usize {
        self.layers
    }

    /// Name of the input that says how many logits are wanted.
    pub(super) fn logits_to_keep(&self) -> &'static str {
        if self.format.is_portable() { graph::NUM_LOGITS_TO_KEEP } else { graph::LOGITS_TO_KEEP }
    }

    /// Key and value heads.
    pub(super) fn heads(&self) -> usize {
        self.heads
    }

    /// Bytes of a head's keys, or values, that hold so many tokens: the first bytes of it, whatever its capacity.
    pub(super) fn used_bytes(&self, tokens: usize) -> usize {
        if self.format.is_native() { self.cache.head_bytes(self.head_dim, tokens) } else { tokens * self.row_bytes() }
    }

    /// Shape of the tensor of a layer's keys, or values, with room for so many tokens in each row.
    pub(super) fn shape(&self, rows: usize, tokens: usize) -> [usize; 4] {
        [rows, self.heads, self.used_bytes(tokens).div_ceil(self.row_bytes()), self.head_dim]
    }

    /// Bytes of a head's keys, or values, in such a tensor.
    pub(super) fn head_bytes(&self, tokens: usize) -> usize {
        self.shape(1, tokens)[2] * self.row_bytes()
    }

    /// Bytes of all keys and values.
    pub(super) fn bytes(&self, rows: usize, tokens: usize) -> usize {
        2 * self.layers * rows * self.heads * self.head_bytes(tokens)
    }

    /// Bytes of a head in a row of the declared element.
    fn row_bytes(&self) -> usize {
        self.head_dim * self.format.cache_element().bytes()
    }
}

#[cfg(test)]
mod tests {
    use pupil_models::packed::Precision;

    use super::*;

    fn layout(format: WeightFormat, cache: CacheType) -> Layout {
        Layout { format, cache, layers: 2, heads: 3, head_dim: 48 }
    }

    #[test]
    fn declared_rows_hold_the_bytes_of_every_type() {
        let native = |cache| layout(WeightFormat::Native(Precision::Four), cache);
        let shapes = CacheType::ALL.map(|cache| native(cache).shape(5, 33));
        // Three groups of 16 positions; of bytes, 3 · (48 · 16 + 64) in rows of 96.
        assert_eq!(shapes, [[5, 3, 96, 48], [5, 3, 48, 48], [5, 3, 26, 48]]);
        for cache in CacheType::ALL {
            let layout = native(cache);
            assert!(layout.used_bytes(33) <= layout.head_bytes(33));
            assert!(layout.head_bytes(33) < layout.used_bytes(33) + layout.row_bytes());
            assert_eq!(layout.bytes(5, 33), 2 * 2 * 5 * 3 * layout.head_bytes(33));
        }
        let stock = layout(WeightFormat::Float32, CacheType::Float32);
        assert_eq!((stock.shape(5, 33), stock.bytes(5, 33)), ([5, 3, 33, 48], 2 * 2 * 5 * 3 * 33 * 48 * 4));
    }
}
