#![expect(
    unsafe_op_in_unsafe_fn,
    reason = "every body is made of instructions whose availability is the promise of its caller"
)]
//! Sixteen lanes on x86-64.

mod avx2;
mod avx512;

pub(crate) use avx2::{Avx2, AvxVnni};
pub(crate) use avx512::Avx512;
