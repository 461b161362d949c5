//! One register of sixteen lanes: AVX-512 with the dot products of VNNI.

use std::arch::x86_64::{
    __m512, __m512i, _CMP_LT_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T0, _mm_loadu_si128,
    _mm_prefetch, _mm_storeu_si128, _mm256_loadu_si256, _mm256_storeu_si256, _mm512_abs_ps, _mm512_add_epi32,
    _mm512_add_ps, _mm512_and_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps,
    _mm512_cvtph_ps, _mm512_cvtps_epi32, _mm512_cvtps_ph, _mm512_cvtsepi32_epi8, _mm512_div_ps, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_mov_ps, _mm512_max_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_roundscale_ps, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_si512,
    _mm512_slli_epi32, _mm512_srli_epi16, _mm512_storeu_ps, _mm512_sub_epi32, _mm512_sub_ps, _mm512_xor_si512,
};

use crate::kernels::lanes::Lanes;

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

/// AVX-512 F and BW with VNNI.
pub(crate) struct Avx512;

impl Lanes for Avx512 {
    type Bytes = __m512i;
    type Sums = __m512i;
    type Float = __m512;

    const NIBBLE_OFFSET: i32 = 8;
    const BYTE_OFFSET: i32 = 128;

    #[inline(always)]
    unsafe fn load(bytes: *const u8) -> Self::Bytes {
        // SAFETY: 64 bytes are the caller's promise; the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.cast()) }
    }

    #[inline(always)]
    unsafe fn prefetch(bytes: *const u8) {
        _mm_prefetch::<_MM_HINT_T0>(bytes.cast());
    }

    #[inline(always)]
    unsafe fn repeat(bytes: *const i8) -> Self::Bytes {
        // SAFETY: 4 bytes are the caller's promise.
        let four = unsafe { bytes.cast::<i32>().read_unaligned() };
        _mm512_set1_epi32(four)
    }

    #[inline(always)]
    unsafe fn nibbles(bytes: Self::Bytes) -> (Self::Bytes, Self::Bytes) {
        let mask = _mm512_set1_epi8(15);
        (_mm512_and_si512(bytes, mask), _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), mask))
    }

    #[inline(always)]
    unsafe fn no_sums() -> Self::Sums {
        _mm512_setzero_si512()
    }

    #[inline(always)]
    unsafe fn add_nibbles(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums {
        _mm512_dpbusd_epi32(sums, weights, activations)
    }

    #[inline(always)]
    unsafe fn add_bytes(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums {
        // Of the two factors the first is unsigned: with its top bit turned, a signed byte counts 128 more.
        _mm512_dpbusd_epi32(sums, _mm512_xor_si512(weights, _mm512_set1_epi8(i8::MIN)), activations)
    }

    #[inline(always)]
    unsafe fn finish_nibbles(sums: Self::Sums, offset: i32) -> Self::Float {
        _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, _mm512_set1_epi32(offset)))
    }

    #[inline(always)]
    unsafe fn finish_bytes(sums: Self::Sums, offset: i32) -> Self::Float {
        // SAFETY: the instructions are the caller's promise.
        unsafe { Self::finish_nibbles(sums, offset) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Float {
        _mm512_set1_ps(value)
    }

    #[inline(always)]
    unsafe fn load_floats(floats: *const f32) -> Self::Float {
        // SAFETY: 16 floats are the caller's promise.
        unsafe { _mm512_loadu_ps(floats) }
    }

    #[inline(always)]
    unsafe fn store_floats(value: Self::Float, floats: *mut f32) {
        // SAFETY: 16 floats are the caller's promise.
        unsafe { _mm512_storeu_ps(floats, value) }
    }

    #[inline(always)]
    unsafe fn load_halves(halves: *const u8) -> Self::Float {
        // SAFETY: 32 bytes are the caller's promise.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(halves.cast()) })
    }

    #[inline(always)]
    unsafe fn store_halves(value: Self::Float, halves: *mut u8) {
        // SAFETY: 32 bytes are the caller's promise.
        unsafe { _mm256_storeu_si256(halves.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value)) }
    }

    #[inline(always)]
    unsafe fn load_bytes(bytes: *const i8) -> Self::Float {
        // SAFETY: 16 bytes are the caller's promise.
        _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(unsafe { _mm_loadu_si128(bytes.cast()) }))
    }

    #[inline(always)]
    unsafe fn store_bytes(value: Self::Float, bytes: *mut i8) {
        // SAFETY: 16 bytes are the caller's promise.
        unsafe { _mm_storeu_si128(bytes.cast(), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(value))) }
    }

    #[inline(always)]
    unsafe fn add(left: Self::Float, right: Self::Float) -> Self::Float {
        _mm512_add_ps(left, right)
    }

    #[inline(always)]
    unsafe fn subtract(left: Self::Float, right: Self::Float) -> Self::Float {
        _mm512_sub_ps(left, right)
    }

    #[inline(always)]
    unsafe fn multiply(left: Self::Float, right: Self::Float) -> Self::Float {
        _mm512_mul_ps(left, right)
    }

    #[inline(always)]
    unsafe fn divide(left: Self::Float, right: Self::Float) -> Self::Float {
        _mm512_div_ps(left, right)
    }

    #[inline(always)]
    unsafe fn multiply_add(left: Self::Float, right: Self::Float, addend: Self::Float) -> Self::Float {
        _mm512_fmadd_ps(left, right, addend)
    }

    #[inline(always)]
    unsafe fn maximum(left: Self::Float, right: Self::Float) -> Self::Float {
        _mm512_max_ps(left, right)
    }

    #[inline(always)]
    unsafe fn clamp(value: Self::Float, low: f32, high: f32) -> Self::Float {
        // Of a NaN and a number these instructions return their second operand.
        _mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), value))
    }

    #[inline(always)]
    unsafe fn round(value: Self::Float) -> Self::Float {
        _mm512_roundscale_ps::<NEAREST>(value)
    }

    #[inline(always)]
    unsafe fn power_of_two(exponent: Self::Float) -> Self::Float {
        let biased = _mm512_add_epi32(_mm512_cvtps_epi32(exponent), _mm512_set1_epi32(127));
        _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
    }

    #[inline(always)]
    unsafe fn magnitude(value: Self::Float) -> Self::Float {
        let infinity = _mm512_set1_ps(f32::INFINITY);
        let magnitude = _mm512_abs_ps(value);
        _mm512_mask_mov_ps(infinity, _mm512_cmp_ps_mask::<_CMP_LT_OQ>(magnitude, infinity), magnitude)
    }
}
