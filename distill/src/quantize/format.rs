//! How a row of weights becomes integers: bits, block length, zero points, and the type of the scales.

use half::f16;

/// Bits of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bits {
    /// −8 to 7.
    Four,
    /// −128 to 127.
    Eight,
}

impl Bits {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Four, Self::Eight];

    /// The number.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// The largest integer, and the largest magnitude of a plain symmetric fit.
    #[must_use]
    pub const fn largest(self) -> i8 {
        match self {
            Self::Four => 7,
            Self::Eight => 127,
        }
    }

    /// What is added to an integer that is stored without a sign.
    #[must_use]
    pub const fn offset(self) -> u8 {
        match self {
            Self::Four => 8,
            Self::Eight => 128,
        }
    }
}

/// Number of consecutive columns that share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockColumns {
    /// 32: the native layout's.
    B32,
    /// 64.
    B64,
    /// 128.
    B128,
}

impl BlockColumns {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::B32, Self::B64, Self::B128];

    /// The number.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::B32 => 32,
            Self::B64 => 64,
            Self::B128 => 128,
        }
    }
}

/// Element type of the scales; a fit takes only scales that it can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScaleType {
    /// 16-bit float: the native layout's.
    Float16,
    /// 32-bit float: what `MatMulNBits` wants beside float32 activations.
    Float32,
}

impl ScaleType {
    /// The largest scale: of float32 the one of which 512 steps, more than any integer takes, are still finite.
    #[must_use]
    pub fn largest(self) -> f64 {
        match self {
            Self::Float16 => f16::MAX.to_f64(),
            Self::Float32 => f64::from(f32::MAX) / 512.0,
        }
    }

    /// The nearest scale that can be stored; infinite if there is none.
    ///
    /// A scale that would vanish becomes the smallest there is: rounding to it loses less than losing the block.
    #[must_use]
    pub fn nearest(self, scale: f64) -> f32 {
        let (rounded, least) = match self {
            Self::Float16 => (f16::from_f64(scale).to_f32(), f16::MIN_POSITIVE_SUBNORMAL.to_f32()),
            // Below the normal numbers an inverse would overflow.
            Self::Float32 => (scale as f32, f32::MIN_POSITIVE),
        };
        if f64::from(rounded.abs()) > self.largest() {
            return f32::INFINITY.copysign(rounded);
        }
        if scale != 0.0 && rounded.abs() < least { least.copysign(scale as f32) } else { rounded }
    }
}

/// How a row of weights becomes integers, block by block: `weight ≈ scale · (integer − zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockFormat {
    /// Bits of an integer.
    pub bits: Bits,
    /// Columns of a block.
    pub block: BlockColumns,
    /// Whether a block has a zero point; without one it is 0.
    pub zero_points: bool,
    /// Type of the scales.
    pub scales: ScaleType,
}

impl BlockFormat {
    /// The native layout's: blocks of 32, no zero points, float16 scales.
    #[must_use]
    pub const fn native(bits: Bits) -> Self {
        Self { bits, block: BlockColumns::B32, zero_points: false, scales: ScaleType::Float16 }
    }

    /// Blocks in a row of `columns`; the last one may be padded.
    #[must_use]
    pub const fn blocks(self, columns: usize) -> usize {
        columns.div_ceil(self.block.count())
    }

    /// Columns of a row, the padding counted.
    #[must_use]
    pub const fn padded(self, columns: usize) -> usize {
        self.blocks(columns) * self.block.count()
    }

    /// The integers that may be used: symmetric 8 bit leaves −128 out, which the native kernels cannot multiply.
    #[must_use]
    pub const fn range(self) -> (i8, i8) {
        match (self.bits, self.zero_points) {
            (Bits::Four, _) => (-8, 7),
            (Bits::Eight, false) => (-127, 127),
            (Bits::Eight, true) => (-128, 127),
        }
    }
}
