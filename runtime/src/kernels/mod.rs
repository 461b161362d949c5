#![expect(
    unsafe_code,
    reason = "vector instructions, and pointers into the mapped weights: the one room of fast kernels"
)]
#![expect(clippy::inline_always, reason = "only inside a function compiled for it does an instruction become one")]
#![expect(clippy::needless_range_loop, reason = "an index goes into several arrays of registers and pointers at once")]
//! The operators of native bundles: what a student's forward pass spends its time in.
//!
//! | file | what is in it |
//! |---|---|
//! | `lanes` | the vector operations: sixteen lanes, whatever the registers are |
//! | `plain`, `x86`, `aarch64` | the instruction sets |
//! | `dot` | a panel of a packed matrix times a few rows: the inner loop |
//! | `activations` | normalisation and quantisation of a linear layer's input |
//! | `linear`, `attention`, `embedding` | the operators |
//! | `cache` | what attention keeps keys and values as |
//! | `table`, `check` | the kernels of an instruction set, chosen at run time, once they agree with the plain ones |
//! | `workers` | work on several threads |
//!
//! Weights are used where they lie, in the bundle's mapped file, in the layout of [`pupil_models::packed`]. Activations are
//! quantised to 8 bits in blocks of 32 columns, so that products are sums of integers. Every kernel is written once over
//! `lanes::Lanes`, and every instruction set is tested against the unpacked matrix in double precision.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod activations;
mod attention;
mod cache;
mod check;
mod dot;
mod embedding;
mod lanes;
mod linear;
mod plain;
mod table;
#[cfg(test)]
mod tests;
mod workers;
mod workload;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use cache::CacheType;
pub use table::InstructionSet;
#[doc(hidden)]
pub use workload::{AttentionWorkload, LayerWorkload};

pub(crate) use activations::{Activations, Norm};
pub(crate) use attention::{Attention, Heads};
pub(crate) use embedding::{embed, write_phases};
pub(crate) use linear::Linear;
pub(crate) use table::Kernels;
pub(crate) use workers::{Shared, Workers};
