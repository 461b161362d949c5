#![expect(
    unsafe_op_in_unsafe_fn,
    reason = "every body is made of instructions whose availability is the promise of its caller"
)]
//! Four registers of four lanes on 64-bit Arm: NEON with the dot products of Armv8.2.
//!
//! Both factors of its dot products are signed, and they are added in 32 bits: nothing is counted too much, and any number
//! of them may follow each other. What the standard library has no stable function for is one instruction of assembly.

use std::arch::aarch64::{
    float32x4_t, int8x16_t, int32x4_t, uint16x8_t, vabsq_f32, vaddq_f32, vaddq_s32, vandq_s8, vbslq_f32, vcltq_f32,
    vcombine_s8, vcombine_s16, vcvtnq_s32_f32, vcvtq_f32_s32, vdivq_f32, vdupq_n_f32, vdupq_n_s8, vdupq_n_s32,
    vfmaq_f32, vget_high_s8, vget_high_s16, vget_low_s8, vget_low_s16, vld1q_f32, vld1q_s8, vld1q_u8, vmaxq_f32,
    vminq_f32, vmovl_s8, vmovl_s16, vmulq_f32, vqmovn_s16, vqmovn_s32, vreinterpretq_f32_s32, vreinterpretq_s8_s32,
    vreinterpretq_s8_u8, vreinterpretq_u8_s8, vreinterpretq_u8_u16, vreinterpretq_u16_u8, vrndnq_f32, vshlq_n_s32,
    vshrq_n_u8, vst1q_f32, vst1q_s8, vst1q_u8, vsubq_f32, vsubq_s8, vsubq_s32,
};
use std::arch::asm;

use super::lanes::Lanes;

/// NEON with dot products.
pub(crate) struct Neon;

/// An operation on each of the four registers: a closure would not be compiled for the instructions of its caller.
macro_rules! each {
    ($register:ident => $operation:expr) => {
        [
            {
                let $register = 0;
                $operation
            },
            {
                let $register = 1;
                $operation
            },
            {
                let $register = 2;
                $operation
            },
            {
                let $register = 3;
                $operation
            },
        ]
    };
}

/// Adds the products of four signed bytes and four others to each lane.
#[inline]
#[target_feature(enable = "dotprod")]
fn add_products(mut sums: int32x4_t, left: int8x16_t, right: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction reads and writes registers only, and this function is compiled for it.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {left:v}.16b, {right:v}.16b",
            sums = inlateout(vreg) sums,
            left = in(vreg) left,
            right = in(vreg) right,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sums
}

/// The first and the last four of eight float16.
#[inline(always)]
fn widen(halves: uint16x8_t) -> [float32x4_t; 2] {
    let (first, last): (float32x4_t, float32x4_t);
    // SAFETY: the instructions read and write registers only; every 64-bit Arm has them.
    unsafe {
        asm!(
            "fcvtl {first:v}.4s, {halves:v}.4h",
            "fcvtl2 {last:v}.4s, {halves:v}.8h",
            halves = in(vreg) halves,
            first = out(vreg) first,
            last = lateout(vreg) last,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    [first, last]
}

/// Eight floats as float16, rounded to nearest: no Rust program runs in another rounding mode.
#[inline(always)]
fn narrow(first: float32x4_t, last: float32x4_t) -> uint16x8_t {
    let halves: uint16x8_t;
    // SAFETY: as in `widen`.
    unsafe {
        asm!(
            "fcvtn {halves:v}.4h, {first:v}.4s",
            "fcvtn2 {halves:v}.8h, {last:v}.4s",
            first = in(vreg) first,
            last = in(vreg) last,
            halves = out(vreg) halves,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    halves
}

impl Lanes for Neon {
    type Bytes = [int8x16_t; 4];
    type Sums = [int32x4_t; 4];
    type Float = [float32x4_t; 4];

    const NIBBLE_OFFSET: i32 = 0;
    const BYTE_OFFSET: i32 = 0;

    #[inline(always)]
    unsafe fn load(bytes: *const u8) -> Self::Bytes {
        // SAFETY: 64 bytes are the caller's promise; the load needs no alignment.
        unsafe { each!(register => vld1q_s8(bytes.add(16 * register).cast())) }
    }

    #[inline(always)]
    unsafe fn prefetch(bytes: *const u8) {
        // SAFETY: the instruction is a hint, which does nothing where the address is not mapped.
        unsafe { asm!("prfm pldl1keep, [{}]", in(reg) bytes, options(nomem, nostack, preserves_flags)) }
    }

    #[inline(always)]
    unsafe fn repeat(bytes: *const i8) -> Self::Bytes {
        // SAFETY: 4 bytes are the caller's promise.
        let four = unsafe { bytes.cast::<i32>().read_unaligned() };
        [vreinterpretq_s8_s32(vdupq_n_s32(four)); 4]
    }

    #[inline(always)]
    unsafe fn nibbles(bytes: Self::Bytes) -> (Self::Bytes, Self::Bytes) {
        let (mask, zero) = (vdupq_n_s8(15), vdupq_n_s8(8));
        let high = each!(register => vreinterpretq_s8_u8(vshrq_n_u8::<4>(vreinterpretq_u8_s8(bytes[register]))));
        (
            each!(register => vsubq_s8(vandq_s8(bytes[register], mask), zero)),
            each!(register => vsubq_s8(high[register], zero)),
        )
    }

    #[inline(always)]
    unsafe fn no_sums() -> Self::Sums {
        [vdupq_n_s32(0); 4]
    }

    #[inline(always)]
    unsafe fn add_nibbles(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums {
        each!(register => add_products(sums[register], weights[register], activations[register]))
    }

    #[inline(always)]
    unsafe fn add_bytes(sums: Self::Sums, weights: Self::Bytes, activations: Self::Bytes) -> Self::Sums {
        // SAFETY: the instructions are the caller's promise.
        unsafe { Self::add_nibbles(sums, weights, activations) }
    }

    #[inline(always)]
    unsafe fn finish_nibbles(sums: Self::Sums, offset: i32) -> Self::Float {
        let offset = vdupq_n_s32(offset);
        each!(register => vcvtq_f32_s32(vsubq_s32(sums[register], offset)))
    }

    #[inline(always)]
    unsafe fn finish_bytes(sums: Self::Sums, offset: i32) -> Self::Float {
        // SAFETY: the instructions are the caller's promise.
        unsafe { Self::finish_nibbles(sums, offset) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Float {
        [vdupq_n_f32(value); 4]
    }

    #[inline(always)]
    unsafe fn load_floats(floats: *const f32) -> Self::Float {
        // SAFETY: 16 floats are the caller's promise.
        unsafe { each!(register => vld1q_f32(floats.add(4 * register))) }
    }

    #[inline(always)]
    unsafe fn store_floats(value: Self::Float, floats: *mut f32) {
        // SAFETY: 16 floats are the caller's promise.
        unsafe { each!(register => vst1q_f32(floats.add(4 * register), value[register])) };
    }

    #[inline(always)]
    unsafe fn load_halves(halves: *const u8) -> Self::Float {
        // SAFETY: 32 bytes are the caller's promise; the load needs no alignment.
        let (first, last) = unsafe { (vld1q_u8(halves), vld1q_u8(halves.add(16))) };
        let (first, last) = (widen(vreinterpretq_u16_u8(first)), widen(vreinterpretq_u16_u8(last)));
        [first[0], first[1], last[0], last[1]]
    }

    #[inline(always)]
    unsafe fn store_halves(value: Self::Float, halves: *mut u8) {
        // SAFETY: 32 bytes are the caller's promise; the store needs no alignment.
        unsafe {
            vst1q_u8(halves, vreinterpretq_u8_u16(narrow(value[0], value[1])));
            vst1q_u8(halves.add(16), vreinterpretq_u8_u16(narrow(value[2], value[3])));
        }
    }

    #[inline(always)]
    unsafe fn load_bytes(bytes: *const i8) -> Self::Float {
        // SAFETY: 16 bytes are the caller's promise; the load needs no alignment.
        let bytes = unsafe { vld1q_s8(bytes) };
        let (first, last) = (vmovl_s8(vget_low_s8(bytes)), vmovl_s8(vget_high_s8(bytes)));
        [
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(first))),
            vcvtq_f32_s32(vmovl_s16(vget_high_s16(first))),
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(last))),
            vcvtq_f32_s32(vmovl_s16(vget_high_s16(last))),
        ]
    }

    #[inline(always)]
    unsafe fn store_bytes(value: Self::Float, bytes: *mut i8) {
        let pairs = each!(register => vqmovn_s32(vcvtnq_s32_f32(value[register])));
        let (first, last) = (vcombine_s16(pairs[0], pairs[1]), vcombine_s16(pairs[2], pairs[3]));
        // SAFETY: 16 bytes are the caller's promise.
        unsafe { vst1q_s8(bytes, vcombine_s8(vqmovn_s16(first), vqmovn_s16(last))) }
    }

    #[inline(always)]
    unsafe fn add(left: Self::Float, right: Self::Float) -> Self::Float {
        each!(register => vaddq_f32(left[register], right[register]))
    }

    #[inline(always)]
    unsafe fn subtract(left: Self::Float, right: Self::Float) -> Self::Float {
        each!(register => vsubq_f32(left[register], right[register]))
    }

    #[inline(always)]
    unsafe fn multiply(left: Self::Float, right: Self::Float) -> Self::Float {
        each!(register => vmulq_f32(left[register], right[register]))
    }

    #[inline(always)]
    unsafe fn divide(left: Self::Float, right: Self::Float) -> Self::Float {
        each!(register => vdivq_f32(left[register], right[register]))
    }

    #[inline(always)]
    unsafe fn multiply_add(left: Self::Float, right: Self::Float, addend: Self::Float) -> Self::Float {
        each!(register => vfmaq_f32(addend[register], left[register], right[register]))
    }

    #[inline(always)]
    unsafe fn maximum(left: Self::Float, right: Self::Float) -> Self::Float {
        each!(register => vmaxq_f32(left[register], right[register]))
    }

    #[inline(always)]
    unsafe fn clamp(value: Self::Float, low: f32, high: f32) -> Self::Float {
        // Of a NaN and a number these instructions return the NaN.
        let (low, high) = (vdupq_n_f32(low), vdupq_n_f32(high));
        each!(register => vminq_f32(vmaxq_f32(value[register], low), high))
    }

    #[inline(always)]
    unsafe fn round(value: Self::Float) -> Self::Float {
        each!(register => vrndnq_f32(value[register]))
    }

    #[inline(always)]
    unsafe fn power_of_two(exponent: Self::Float) -> Self::Float {
        let bias = vdupq_n_s32(127);
        let biased = each!(register => vaddq_s32(vcvtnq_s32_f32(exponent[register]), bias));
        each!(register => vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased[register])))
    }

    #[inline(always)]
    unsafe fn magnitude(value: Self::Float) -> Self::Float {
        let infinity = vdupq_n_f32(f32::INFINITY);
        let magnitude = each!(register => vabsq_f32(value[register]));
        each!(register => vbslq_f32(vcltq_f32(magnitude[register], infinity), magnitude[register], infinity))
    }
}
