//! Two registers of eight lanes: AVX2 with FMA and F16C, and the same with the dot products of AVX-VNNI.
//!
//! AVX2 multiplies unsigned by signed bytes and adds neighbours into 16 bits, where eight products of a 4-bit and an 8-bit
//! value have room: 8 · 2 · 15 · 127 = 30,480. Two 8-bit values need the whole of it, and are signed both: the sign of the
//! weight goes to the activation.

use std::arch::x86_64::{
    __m256, __m256i, _CMP_LT_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T0, _mm_loadl_epi64,
    _mm_loadu_si128, _mm_packs_epi16, _mm_packs_epi32, _mm_prefetch, _mm_storeu_si128, _mm256_abs_epi8,
    _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps, _mm256_and_si256, _mm256_blendv_ps,
    _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtph_ps, _mm256_cvtps_epi32, _mm256_cvtps_ph, _mm256_div_ps, _mm256_dpbusd_avx_epi32,
    _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_round_ps, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_si256, _mm256_sign_epi8, _mm256_slli_epi32,
    _mm256_srli_epi16, _mm256_storeu_ps, _mm256_sub_epi32, _mm256_sub_ps, _mm256_xor_si256,
};

use crate::kernels::lanes::Lanes;

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

/// AVX2, FMA and F16C.
pub(crate) struct Avx2;

/// AVX2, FMA, F16C and AVX-VNNI.
pub(crate) struct AvxVnni;

/// Everything but the products of bytes, which is the same for both.
macro_rules! eight_lanes_twice {
    () => {
        type Bytes = [__m256i; 2];
        type Sums = [__m256i; 2];
        type Float = [__m256; 2];

        #[inline(always)]
        unsafe fn load(bytes: *const u8) -> Self::Bytes {
            // SAFETY: 64 bytes are the caller's promise; the load needs no alignment.
            unsafe { [_mm256_loadu_si256(bytes.cast()), _mm256_loadu_si256(bytes.add(32).cast())] }
        }

        #[inline(always)]
        unsafe fn prefetch(bytes: *const u8) {
            _mm_prefetch::<_MM_HINT_T0>(bytes.cast());
        }

        #[inline(always)]
        unsafe fn repeat(bytes: *const i8) -> Self::Bytes {
            // SAFETY: 4 bytes are the caller's promise.
            let four = unsafe { bytes.cast::<i32>().read_unaligned() };
            [_mm256_set1_epi32(four); 2]
        }

        #[inline(always)]
        unsafe fn nibbles(bytes: Self::Bytes) -> (Self::Bytes, Self::Bytes) {
            let mask = _mm256_set1_epi8(15);
            let [first, second] = bytes;
            let high = [_mm256_srli_epi16::<4>(first), _mm256_srli_epi16::<4>(second)];
            (
                [_mm256_and_si256(first, mask), _mm256_and_si256(second, mask)],
                [_mm256_and_si256(high[0], mask), _mm256_and_si256(high[1], mask)],
            )
        }

        #[inline(always)]
        unsafe fn no_sums() -> Self::Sums {
            [_mm256_setzero_si256(); 2]
        }

        #[inline(always)]
        unsafe fn finish_bytes(sums: Self::Sums, offset: i32) -> Self::Float {
            let offset = _mm256_set1_epi32(offset);
            [
                _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[0], offset)),
                _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[1], offset)),
            ]
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self::Float {
            [_mm256_set1_ps(value); 2]
        }

        #[inline(always)]
        unsafe fn load_floats(floats: *const f32) -> Self::Float {
            // SAFETY: 16 floats are the caller's promise.
            unsafe { [_mm256_loadu_ps(floats), _mm256_loadu_ps(floats.add(8))] }
        }

        #[inline(always)]
        unsafe fn store_floats(value: Self::Float, floats: *mut f32) {
            // SAFETY: 16 floats are the caller's promise.
            unsafe {
                _mm256_storeu_ps(floats, value[0]);
                _mm256_storeu_ps(floats.add(8), value[1]);
            }
        }

        #[inline(always)]
        unsafe fn load_halves(halves: *const u8) -> Self::Float {
            // SAFETY: 32 bytes are the caller's promise.
            unsafe {
                [
                    _mm256_cvtph_ps(_mm_loadu_si128(halves.cast())),
                    _mm256_cvtph_ps(_mm_loadu_si128(halves.add(16).cast())),
                ]
            }
        }

        #[inline(always)]
        unsafe fn store_halves(value: Self::Float, halves: *mut u8) {
            // SAFETY: 32 bytes are the caller's promise.
            unsafe {
                _mm_storeu_si128(halves.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value[0]));
                _mm_storeu_si128(halves.add(16).cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value[1]));
            }
        }

        #[inline(always)]
        unsafe fn load_bytes(bytes: *const i8) -> Self::Float {
            // SAFETY: 16 bytes are the caller's promise.
            let (first, second) = unsafe { (_mm_loadl_epi64(bytes.cast()), _mm_loadl_epi64(bytes.add(8).cast())) };
            [_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(first)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(second))]
        }

        #[inline(always)]
        unsafe fn store_bytes(value: Self::Float, bytes: *mut i8) {
            let (first, second) = (_mm256_cvtps_epi32(value[0]), _mm256_cvtps_epi32(value[1]));
            let low = _mm_packs_epi32(_mm256_castsi256_si128(first), _mm256_extracti128_si256::<1>(first));
            let high = _mm_packs_epi32(_mm256_castsi256_si128(second), _mm256_extracti128_si256::<1>(second));
            // SAFETY: 16 bytes are the caller's promise.
            unsafe { _mm_storeu_si128(bytes.cast(), _mm_packs_epi16(low, high)) }
        }

        #[inline(always)]
        unsafe fn add(left: Self::Float, right: Self::Float) -> Self::Float {
            [_mm256_add_ps(left[0], right[0]), _mm256_add_ps(left[1], right[1])]
        }

        #[inline(always)]
        unsafe fn subtract(left: Self::Float, right: Self::Float) -> Self::Float {
            [_mm256_sub_ps(left[0], right[0]), _mm256_sub_ps(left[1], right[1])]
        }

        #[inline(always)]
        unsafe fn multiply(left: Self::Float, right: Self::Float) -> Self::Float {
            [_mm256_mul_ps(left[0], right[0]), _mm256_mul_ps(left[1], right[1])]
        }

        #[inline(always)]
        unsafe fn divide(left: Self::Float, right: Self::Float) -> Self::Float {
            [_mm256_div_ps(left[0], right[0]), _mm256_div_ps(left[1], right[1])]
        }

        #[inline(always)]
        unsafe fn multiply_add(left: Self::Float, right: Self::Float, addend: Self::Float) -> Self::Float {
            [_mm256_fmadd_ps(left[0], right[0], addend[0]), _mm256_fmadd_ps(left[1], right[1], addend[1])]
        }

        #[inline(always)]
        unsafe fn maximum(left: Self::Float, right: Self::Float) -> Self::Float {
            [_mm256_max_ps(left[0], right[0]), _mm256_max_ps(left[1], right[1])]
        }

        #[inline(always)]
        unsafe fn clamp(value: Self::Float, low: f32, high: f32) -> Self::Float {
            // Of a NaN and a number these instructions return their second operand.
            let (low, high) = (_mm256_set1_ps(low), _mm256_set1_ps(high));
            [_mm256_min_ps(high, _mm256_max_ps(low, value[0])), _mm256_min_ps(high, _mm256_max_ps(low, value[1]))]
        }

        #[inline(always)]
        unsafe fn round(value: Self::Float) -> Self::Float {
            [_mm256_round_ps::<NEAREST>(value[0]), _mm256_round_ps::<NEAREST>(value[1])]
        }

        #[inline(always)]
        unsafe fn power_of_two(exponent: Self::Float) -> Self::Float {
            let bias = _mm256_set1_epi32(127);
            let first = _mm256_add_epi32(_mm256_cvtps_epi32(exponent[0]), bias);
            let second = _mm256_add_epi32(_mm256_cvtps_epi32(exponent[1]), bias);
            [_mm256_castsi256_ps(_mm256_slli_epi32::<23>(first)), _mm256_castsi256_ps(_mm256_slli_epi32::<23>(second))]
        }

        #[inline(always)]
        unsafe fn magnitude(value: Self::Float) -> Self::Float {
            let infinity = _mm256_set1_ps(f32::INFINITY);
            let mask = _mm256_castsi256_ps(_mm256_set1_epi32(i32::MAX));
            let (first, second) = (_mm256_and_ps(value[0], mask), _mm256_and_ps(value[1], mask));
            [
                _mm256_blendv_ps(infinity, first, _mm256_cmp_ps::<_CMP_LT_OQ>(first, infinity)),
                _mm256_blendv_ps(infinity, second, _mm256_cmp_ps::<_CMP_LT_OQ>(second, infinity)),
            ]
        }
    };
}

impl Lanes for Avx2 {
    eight_lanes_twice!();

    const NIBBLE_OFFSET: i32 = 8;
    const BYTE_OFFSET: i32 = 0;

    #[inline(always)]
    unsafe fn add_nibbles(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums {
        [
            _mm256_add_epi16(sums[0], _mm256_maddubs_epi16(weights[0], activations[0])),
            _mm256_add_epi16(sums[1], _mm256_maddubs_epi16(weights[1], activations[1])),
        ]
    }

    #[inline(always)]
    unsafe fn finish_nibbles(sums: Self::Sums, offset: i32) -> Self::Float {
        let ones = _mm256_set1_epi16(1);
        let pairs = [_mm256_madd_epi16(sums[0], ones), _mm256_madd_epi16(sums[1], ones)];
        // SAFETY: the instructions are the caller's promise.
        unsafe { Self::finish_bytes(pairs, offset) }
    }

    #[inline(always)]
    unsafe fn add_bytes(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums {
        let ones = _mm256_set1_epi16(1);
        let signed = [_mm256_sign_epi8(activations[0], weights[0]), _mm256_sign_epi8(activations[1], weights[1])];
        let first = _mm256_maddubs_epi16(_mm256_abs_epi8(weights[0]), signed[0]);
        let second = _mm256_maddubs_epi16(_mm256_abs_epi8(weights[1]), signed[1]);
        [
            _mm256_add_epi32(sums[0], _mm256_madd_epi16(first, ones)),
            _mm256_add_epi32(sums[1], _mm256_madd_epi16(second, ones)),
        ]
    }
}

impl Lanes for AvxVnni {
    eight_lanes_twice!();

    const NIBBLE_OFFSET: i32 = 8;
    const BYTE_OFFSET: i32 = 128;

    #[inline(always)]
    unsafe fn add_nibbles(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums {
        [
            _mm256_dpbusd_avx_epi32(sums[0], weights[0], activations[0]),
            _mm256_dpbusd_avx_epi32(sums[1], weights[1], activations[1]),
        ]
    }

    #[inline(always)]
    unsafe fn finish_nibbles(sums: Self::Sums, offset: i32) -> Self::Float {
        // SAFETY: the instructions are the caller's promise.
        unsafe { Self::finish_bytes(sums, offset) }
    }

    #[inline(always)]
    unsafe fn add_bytes(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums {
        // Of the two factors the first is unsigned: with its top bit turned, a signed byte counts 128 more.
        let top = _mm256_set1_epi8(i8::MIN);
        let unsigned = [_mm256_xor_si256(weights[0], top), _mm256_xor_si256(weights[1], top)];
        // SAFETY: the instructions are the caller's promise.
        unsafe { Self::add_nibbles(sums, unsigned, activations) }
    }
}
