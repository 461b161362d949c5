//! Decoding rules on a scripted student, and the real path through ONNX Runtime on the smallest bundle.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support_runtime/mod.rs"]
mod support;

mod batch;
mod cache;
mod device;
mod ends;
#[cfg(feature = "cuda")]
mod gpu;
mod onnx;
mod stream;
mod threads;
mod vote;
