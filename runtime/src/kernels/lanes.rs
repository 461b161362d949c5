//! The vector operations of which every kernel is made: sixteen lanes, whatever the machine's registers are.
//!
//! A kernel is written once over [`Lanes`]; an instruction set is one implementation of it. Sixteen is the height of a panel
//! ([`PANEL_ROWS`]), so that a lane is a row of the matrix, and half a cache line of float16.

use pupil_models::packed::PANEL_ROWS;

/// Lanes of every operation.
pub(crate) const LANES: usize = PANEL_ROWS;

/// Sixteen lanes of an instruction set.
///
/// # Safety
/// Every function may only be called where the instructions of the implementing set are available, and inlines into a caller
/// that was compiled for them; pointers must be valid for the bytes that each function's documentation states.
pub(crate) trait Lanes {
    /// Sixteen times four bytes: four columns of each row of a panel, or four activations sixteen times.
    type Bytes: Copy;
    /// Sums of products of bytes, on their way to sixteen 32-bit integers.
    type Sums: Copy;
    /// Sixteen 32-bit floats.
    type Float: Copy;

    /// What [`Self::add_nibbles`] counts each 4-bit value above its true value.
    const NIBBLE_OFFSET: i32;
    /// What [`Self::add_bytes`] counts each 8-bit value above its true value.
    const BYTE_OFFSET: i32;

    /// Reads 64 bytes.
    unsafe fn load(bytes: *const u8) -> Self::Bytes;
    /// Asks for the 64 bytes at `bytes`, which will be read soon; any address will do.
    #[inline(always)]
    unsafe fn prefetch(_bytes: *const u8) {}
    /// Reads 4 bytes, and repeats them for every lane.
    unsafe fn repeat(bytes: *const i8) -> Self::Bytes;
    /// The low and the high nibbles of every byte.
    unsafe fn nibbles(bytes: Self::Bytes) -> (Self::Bytes, Self::Bytes);

    /// No products yet.
    unsafe fn no_sums() -> Self::Sums;
    /// Adds the products of four 4-bit values and four activations to each lane; at most eight times in a row.
    unsafe fn add_nibbles(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums;
    /// Adds the products of four 8-bit values and four activations to each lane.
    unsafe fn add_bytes(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums;
    /// The sums of up to eight [`Self::add_nibbles`], less `offset`.
    unsafe fn finish_nibbles(sums: Self::Sums, offset: i32) -> Self::Float;
    /// The sums of [`Self::add_bytes`], less `offset`.
    unsafe fn finish_bytes(sums: Self::Sums, offset: i32) -> Self::Float;

    /// `value` in every lane.
    unsafe fn splat(value: f32) -> Self::Float;
    /// Reads 16 floats.
    unsafe fn load_floats(floats: *const f32) -> Self::Float;
    /// Writes 16 floats.
    unsafe fn store_floats(value: Self::Float, floats: *mut f32);
    /// Reads 16 float16, 32 bytes.
    unsafe fn load_halves(halves: *const u8) -> Self::Float;
    /// Writes 16 float16, 32 bytes, rounded to nearest.
    unsafe fn store_halves(value: Self::Float, halves: *mut u8);
    /// Reads 16 signed 8-bit integers, 16 bytes.
    unsafe fn load_bytes(bytes: *const i8) -> Self::Float;
    /// Writes 16 floats as 8-bit integers, 16 bytes; they must be whole numbers from −127 to 127.
    unsafe fn store_bytes(value: Self::Float, bytes: *mut i8);

    /// `left + right`.
    unsafe fn add(left: Self::Float, right: Self::Float) -> Self::Float;
    /// `left − right`.
    unsafe fn subtract(left: Self::Float, right: Self::Float) -> Self::Float;
    /// `left · right`.
    unsafe fn multiply(left: Self::Float, right: Self::Float) -> Self::Float;
    /// `left / right`.
    unsafe fn divide(left: Self::Float, right: Self::Float) -> Self::Float;
    /// `left · right + addend`.
    unsafe fn multiply_add(left: Self::Float, right: Self::Float, addend: Self::Float) -> Self::Float;
    /// The larger of both, lane by lane; neither may be NaN.
    unsafe fn maximum(left: Self::Float, right: Self::Float) -> Self::Float;
    /// `value`, at least `low` and at most `high`; NaN stays NaN.
    unsafe fn clamp(value: Self::Float, low: f32, high: f32) -> Self::Float;
    /// The nearest whole number, of two equally near the even one.
    unsafe fn round(value: Self::Float) -> Self::Float;
    /// Two to the power of a whole number from −126 to 127.
    unsafe fn power_of_two(exponent: Self::Float) -> Self::Float;
    /// The magnitude, and infinity where `value` is infinite or NaN.
    unsafe fn magnitude(value: Self::Float) -> Self::Float;

    /// The largest lane; none may be NaN.
    #[inline(always)]
    unsafe fn largest(value: Self::Float) -> f32 {
        let mut lanes = [0.0; LANES];
        // SAFETY: the array holds sixteen floats; the instructions are the caller's promise.
        unsafe { Self::store_floats(value, lanes.as_mut_ptr()) };
        lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    /// The sum of all lanes.
    #[inline(always)]
    unsafe fn total(value: Self::Float) -> f32 {
        let mut lanes = [0.0; LANES];
        // SAFETY: as in `largest`.
        unsafe { Self::store_floats(value, lanes.as_mut_ptr()) };
        // In pairs, as a register is halved again and again.
        for width in [8, 4, 2, 1] {
            for lane in 0..width {
                lanes[lane] += lanes[lane + width];
            }
        }
        lanes[0]
    }
}

/// `e` to the power of `value`, within 2 units in the last place; below −87 it is about 1e-38, never a denormal. NaN stays NaN.
///
/// The argument is split into a multiple of ln 2 and a rest of at most half of it, whose exponential is the polynomial of
/// Cephes' `expf` (Moshier).
#[inline(always)]
pub(crate) unsafe fn exponential<L: Lanes>(value: L::Float) -> L::Float {
    // SAFETY: the instructions are the caller's promise.
    unsafe {
        let value = L::clamp(value, -87.0, 88.0);
        let whole = L::round(L::multiply(value, L::splat(std::f32::consts::LOG2_E)));
        let rest = L::multiply_add(whole, L::splat(-0.693_359_4), value);
        let rest = L::multiply_add(whole, L::splat(2.121_944_4e-4), rest);
        let mut sum = L::splat(1.987_569_1e-4);
        for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            sum = L::multiply_add(sum, rest, L::splat(coefficient));
        }
        let squared = L::multiply(rest, rest);
        let sum = L::add(L::multiply_add(sum, squared, rest), L::splat(1.0));
        L::multiply(sum, L::power_of_two(whole))
    }
}
