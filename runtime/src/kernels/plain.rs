//! Sixteen lanes in plain Rust: what every machine can run, and what the instruction sets are compared with.

use half::f16;

use super::lanes::{LANES, Lanes};

/// No instruction set beyond what the compiler assumes.
pub(crate) struct Plain;

#[inline(always)]
fn each(lane: impl FnMut(usize) -> f32) -> [f32; LANES] {
    std::array::from_fn(lane)
}

#[inline(always)]
fn products(sums: [i32; LANES], four: impl Fn(usize) -> i32) -> [i32; LANES] {
    std::array::from_fn(|lane| sums[lane] + (4 * lane..4 * lane + 4).map(&four).sum::<i32>())
}

impl Lanes for Plain {
    type Bytes = [u8; 4 * LANES];
    type Sums = [i32; LANES];
    type Float = [f32; LANES];

    const NIBBLE_OFFSET: i32 = 8;
    const BYTE_OFFSET: i32 = 0;

    #[inline(always)]
    unsafe fn load(bytes: *const u8) -> Self::Bytes {
        // SAFETY: 64 bytes are the caller's promise; an array of bytes has no alignment.
        unsafe { bytes.cast::<Self::Bytes>().read() }
    }

    #[inline(always)]
    unsafe fn repeat(bytes: *const i8) -> Self::Bytes {
        // SAFETY: 4 bytes are the caller's promise.
        let four = unsafe { bytes.cast::<[u8; 4]>().read() };
        std::array::from_fn(|index| four[index % 4])
    }

    #[inline(always)]
    unsafe fn nibbles(bytes: Self::Bytes) -> (Self::Bytes, Self::Bytes) {
        (bytes.map(|byte| byte & 15), bytes.map(|byte| byte >> 4))
    }

    #[inline(always)]
    unsafe fn no_sums() -> Self::Sums {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn add_nibbles(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums {
        products(sums, |index| i32::from(weights[index]) * i32::from(activations[index] as i8))
    }

    #[inline(always)]
    unsafe fn add_bytes(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums {
        products(sums, |index| i32::from(weights[index] as i8) * i32::from(activations[index] as i8))
    }

    #[inline(always)]
    unsafe fn finish_nibbles(sums: Self::Sums, offset: i32) -> Self::Float {
        each(|lane| (sums[lane] - offset) as f32)
    }

    #[inline(always)]
    unsafe fn finish_bytes(sums: Self::Sums, offset: i32) -> Self::Float {
        each(|lane| (sums[lane] - offset) as f32)
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Float {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn load_floats(floats: *const f32) -> Self::Float {
        // SAFETY: 16 floats are the caller's promise.
        unsafe { floats.cast::<Self::Float>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store_floats(value: Self::Float, floats: *mut f32) {
        // SAFETY: 16 floats are the caller's promise.
        unsafe { floats.cast::<Self::Float>().write_unaligned(value) }
    }

    #[inline(always)]
    unsafe fn load_halves(halves: *const u8) -> Self::Float {
        // SAFETY: 32 bytes are the caller's promise.
        let bytes = unsafe { halves.cast::<[[u8; 2]; LANES]>().read() };
        bytes.map(|pair| f16::from_le_bytes(pair).to_f32())
    }

    #[inline(always)]
    unsafe fn store_halves(value: Self::Float, halves: *mut u8) {
        let bytes = value.map(|lane| f16::from_f32(lane).to_le_bytes());
        // SAFETY: 32 bytes are the caller's promise.
        unsafe { halves.cast::<[[u8; 2]; LANES]>().write(bytes) }
    }

    #[inline(always)]
    unsafe fn load_bytes(bytes: *const i8) -> Self::Float {
        // SAFETY: 16 bytes are the caller's promise.
        unsafe { bytes.cast::<[i8; LANES]>().read() }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn store_bytes(value: Self::Float, bytes: *mut i8) {
        // SAFETY: 16 bytes are the caller's promise.
        unsafe { bytes.cast::<[i8; LANES]>().write(value.map(|lane| lane as i8)) }
    }

    #[inline(always)]
    unsafe fn add(left: Self::Float, right: Self::Float) -> Self::Float {
        each(|lane| left[lane] + right[lane])
    }

    #[inline(always)]
    unsafe fn subtract(left: Self::Float, right: Self::Float) -> Self::Float {
        each(|lane| left[lane] - right[lane])
    }

    #[inline(always)]
    unsafe fn multiply(left: Self::Float, right: Self::Float) -> Self::Float {
        each(|lane| left[lane] * right[lane])
    }

    #[inline(always)]
    unsafe fn divide(left: Self::Float, right: Self::Float) -> Self::Float {
        each(|lane| left[lane] / right[lane])
    }

    // Two roundings: one alone is a call of a library where the machine has no such instruction.
    #[inline(always)]
    unsafe fn multiply_add(left: Self::Float, right: Self::Float, addend: Self::Float) -> Self::Float {
        each(|lane| left[lane] * right[lane] + addend[lane])
    }

    #[inline(always)]
    unsafe fn maximum(left: Self::Float, right: Self::Float) -> Self::Float {
        each(|lane| if left[lane] > right[lane] { left[lane] } else { right[lane] })
    }

    #[inline(always)]
    unsafe fn clamp(value: Self::Float, low: f32, high: f32) -> Self::Float {
        value.map(|lane| lane.clamp(low, high))
    }

    #[inline(always)]
    unsafe fn round(value: Self::Float) -> Self::Float {
        value.map(f32::round_ties_even)
    }

    #[inline(always)]
    unsafe fn power_of_two(exponent: Self::Float) -> Self::Float {
        exponent.map(|lane| f32::from_bits(((lane as i32 + 127) << 23) as u32))
    }

    #[inline(always)]
    unsafe fn magnitude(value: Self::Float) -> Self::Float {
        value.map(|lane| if lane.is_finite() { lane.abs() } else { f32::INFINITY })
    }
}
