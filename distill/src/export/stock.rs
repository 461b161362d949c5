//! What a portable bundle's weights and products are: the choices behind each [`PortableWeights`].

use pupil_models::format::PortableWeights;

use crate::quantize::{Bits, BlockColumns, BlockFormat, ScaleType};

/// What is quantised how under stock operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockFormat {
    /// The layers.
    pub body: Body,
    /// The embedding table and the output head: one matrix where the head is tied.
    pub head: BlockFormat,
    /// What products of blocks are computed in.
    pub accuracy: Accuracy,
}

/// How the layers' matrices are stored, and so which operator multiplies by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// In blocks: `MatMulNBits`.
    Blocks(BlockFormat),
    /// 8 bit with a scale for each output channel: `DynamicQuantizeMatMul`.
    Channels,
}

/// What `MatMulNBits` computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accuracy {
    /// Float32: exact up to its rounding, and slow.
    Float,
    /// 8-bit integers: activations are rounded as well.
    Integer,
}

impl Accuracy {
    /// The operator's attribute `accuracy_level`.
    pub(super) const fn level(self) -> i64 {
        match self {
            Self::Float => 0,
            Self::Integer => 4,
        }
    }
}

impl StockFormat {
    /// Layers in blocks of `bits`, and a head in blocks of 8 bit: rounding it to 4 flips most answers for the least bytes.
    #[must_use]
    pub const fn of(weights: PortableWeights) -> Self {
        let body = match weights {
            PortableWeights::Four => Body::Blocks(blocks(Bits::Four)),
            PortableWeights::Eight => Body::Blocks(blocks(Bits::Eight)),
            PortableWeights::Channels => Body::Channels,
        };
        Self { body, head: blocks(Bits::Eight), accuracy: Accuracy::Integer }
    }
}

/// Blocks of 32 without zero points, as in the native layout, so that both hold the same numbers.
const fn blocks(bits: Bits) -> BlockFormat {
    BlockFormat { bits, block: BlockColumns::B32, zero_points: false, scales: ScaleType::Float16 }
}
