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
    pub fn largest(self) -> f32 {
        match self {
            Self::Float16 => f16::MAX.to_f32_const(),
            Self::Float32 => f32::MAX / 512.0,
        }
    }

    /// The nearest scale that can be stored; infinite if there is none.
    ///
    /// A scale that would vanish becomes the smallest there is: rounding to it loses less than losing the block.
    #[must_use]
    pub fn nearest(self, scale: f64) -> f32 {
        let [nearest] = self.nearest_each([scale]);
        nearest
    }

    /// As [`Self::nearest`], of several.
    // Inlined into the search it keeps the compiler from using vectors in the loop that leads to the scales: 1.3 times the time.
    #[inline(never)]
    pub(super) fn nearest_each<const N: usize>(self, scales: [f64; N]) -> [f32; N] {
        let mut found = [0.0; N];
        match self {
            Self::Float16 => {
                let least = f16::MIN_POSITIVE_SUBNORMAL.to_f32_const();
                for (found, scale) in found.iter_mut().zip(scales) {
                    *found = bounded(scale, to_float16(scale as f32), least, self.largest());
                }
            }
            Self::Float32 => {
                for (found, scale) in found.iter_mut().zip(scales) {
                    // Below the normal numbers an inverse would overflow.
                    *found = bounded(scale, scale as f32, f32::MIN_POSITIVE, self.largest());
                }
            }
        }
        found
    }
}

/// `rounded`, which is `scale` in some type: of a magnitude of `least` or more unless `scale` is zero, infinite above `largest`.
#[inline]
fn bounded(scale: f64, rounded: f32, least: f32, largest: f32) -> f32 {
    let magnitude = rounded.abs();
    let magnitude = if scale != 0.0 && magnitude < least { least } else { magnitude };
    let magnitude = if magnitude > largest { f32::INFINITY } else { magnitude };
    magnitude.copysign(scale as f32)
}

/// The nearest float16, ties to even; 65536 where there is none. Plain arithmetic, so that loops over it are vectorised.
#[inline]
fn to_float16(value: f32) -> f32 {
    /// Of `f16`'s significand, 13 bits fewer than that of `f32`.
    const DROPPED: u32 = 13;
    let bits = value.to_bits();
    let half = (1 << (DROPPED - 1)) - 1 + (bits >> DROPPED & 1);
    let normal = f32::from_bits((bits + half) >> DROPPED << DROPPED);
    // Subnormal numbers are multiples of 2⁻²⁴, which is the distance of neighbours from 1/2 on.
    let subnormal = ((value.abs() + 0.5) - 0.5).copysign(value);
    if value.abs() < f16::MIN_POSITIVE.to_f32_const() { subnormal } else { normal }
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
