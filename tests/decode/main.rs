//! Decoding rules on a scripted student, and the real path through ONNX Runtime on the smallest bundle.

#[path = "../support_runtime/mod.rs"]
mod support;

mod ends;
mod onnx;
mod stream;
