//! Quantisation: weights become small integers with a scale for each block, in plain Rust and row by row.
//!
//! [`QuantizedMatrix`] holds integers, scales and zero points of some rows in a [`BlockFormat`]; how a block's scale is
//! chosen is its [`Fitting`]. [`stock`] lays the result out for ONNX Runtime's own operators; the native layout is
//! [`pupil_models::packed`]'s. [`float16`] serves what must not be quantised.

pub mod block;
#[cfg(test)]
mod calibrated_tests;
pub mod calibration;
pub mod compensate;
mod error;
pub mod float16;
pub mod fold;
pub mod format;
mod lanes;
mod matrix;
mod quantizer;
pub mod search;
#[cfg(test)]
mod search_tests;
pub mod stock;
#[cfg(test)]
mod tests;

pub use error::QuantizeError;
pub use format::{Bits, BlockColumns, BlockFormat, ScaleType};
pub use matrix::{Fitting, QuantizedMatrix};
pub use quantizer::Quantizer;
