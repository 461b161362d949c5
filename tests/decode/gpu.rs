//! A GPU against the CPU. Runs only where `PUPIL_TEST_DEVICE` names one (`cuda`, `cuda:1`) and `ORT_DYLIB_PATH` a library with
//! the provider.

use std::num::NonZeroUsize;

use pupil_models::bundle::Bundle;
use pupil_runtime::backend::onnx::OnnxBackend;
use pupil_runtime::{Ballot, Device, Engine, EngineOptions, RationaleExhausted, Request};

use crate::device::{assert_all_ways_give, logits};
use crate::support::portable_fixture;

/// Relative error of logits: the CPU rounds activations to 8 bits where a GPU computes with floats.
const EIGHT_BIT_ACTIVATIONS: f32 = 5e-2;

/// What is run on the GPU, if one is named.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn options() -> Option<EngineOptions> {
    let Ok(device) = std::env::var("PUPIL_TEST_DEVICE") else {
        eprintln!("skipped: no `PUPIL_TEST_DEVICE` names a GPU");
        return None;
    };
    let device: Device = device.parse().unwrap();
    Some(EngineOptions { device, ..EngineOptions::default() })
}

#[test]
fn a_gpu_computes_what_the_cpu_does_in_every_way() {
    let Some(options) = options() else { return };
    let bundle = Bundle::open(portable_fixture().unwrap()).unwrap();
    let mut backend = OnnxBackend::load(&bundle, &options).unwrap();
    assert_eq!(backend.execution().device, options.device);
    assert_all_ways_give(&mut backend, &logits(&bundle), EIGHT_BIT_ACTIVATIONS);
}

#[test]
fn a_vote_is_held_on_a_gpu() {
    let Some(options) = options() else { return };
    let bundle = Bundle::open(portable_fixture().unwrap()).unwrap();
    let mut engine = Engine::open_with(&bundle, &options).unwrap();
    let request = Request::builder().temperature(2.0).rationale_tokens(20);
    let request = request.on_rationale_exhausted(RationaleExhausted::Truncate).build().unwrap();
    let ballot = Ballot { rows: NonZeroUsize::new(3), ..Ballot::new(NonZeroUsize::new(6).unwrap()) };
    assert_eq!(engine.vote("xyz?", &request, &ballot).unwrap().solutions.len(), 6);
}

#[test]
fn a_gpu_that_is_not_there_is_refused() {
    if options().is_none() {
        return;
    }
    let bundle = Bundle::open(portable_fixture().unwrap()).unwrap();
    let options = EngineOptions { device: Device::Cuda { ordinal: u16::MAX }, ..EngineOptions::default() };
    let refused = OnnxBackend::load(&bundle, &options).unwrap_err();
    assert_eq!(refused.code(), "E_DEVICE", "{refused}");
}
