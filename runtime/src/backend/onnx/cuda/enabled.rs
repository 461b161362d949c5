#![expect(unsafe_code, reason = "the C interface of ONNX Runtime: `ort` does not tell on what a node was placed")]
//! The program with the feature `cuda`.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::ptr;

use ort::AsPointer;
use ort::ep::{ArenaExtendStrategy, CUDA};
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::sys;

use crate::device::Device;

/// Key of the session's setting that records on what each node is placed.
const RECORD_PLACEMENT: &str = "session.record_ep_graph_assignment_info";
/// Name of the provider that ONNX Runtime adds by itself.
const CPU_PROVIDER: &str = "CPUExecutionProvider";

/// Whether this program has the feature.
pub(in super::super) const fn is_built() -> bool {
    true
}

/// Has the session compute on `device`, or fail.
pub(in super::super) fn register(builder: SessionBuilder, device: Device) -> ort::Result<SessionBuilder> {
    let Device::Cuda { ordinal } = device else { return Ok(builder) };
    let provider = CUDA::default()
        .with_device_id(i32::from(ordinal))
        // Otherwise a cache's memory is rounded up to a power of two.
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
        // ONNX Runtime would round float32 products to 10 bits of mantissa where the GPU can.
        .with_tf32(false)
        .build()
        .error_on_failure();
    Ok(builder.with_execution_providers([provider])?.with_config_entry(RECORD_PLACEMENT, "1")?)
}

/// Operators of the nodes that are placed on the CPU, with their number.
pub(super) fn placed_on_cpu(session: &Session) -> ort::Result<BTreeMap<String, usize>> {
    let mut operators = BTreeMap::new();
    let (mut parts, mut count) = (ptr::null(), 0);
    // SAFETY: the session is alive while borrowed, and what is returned belongs to it: an array of `count` parts of the graph,
    // each with an array of nodes, and their names, which are strings that end with a zero byte.
    unsafe {
        let api = ort::api();
        let status = (api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &raw mut parts, &raw mut count);
        ort::Error::result_from_status(status)?;
        for &part in slice(parts, count) {
            if text(|out| (api.EpAssignedSubgraph_GetEpName)(part, out))? != CPU_PROVIDER {
                continue;
            }
            let (mut nodes, mut count) = (ptr::null(), 0);
            let status = (api.EpAssignedSubgraph_GetNodes)(part, &raw mut nodes, &raw mut count);
            ort::Error::result_from_status(status)?;
            for &node in slice(nodes, count) {
                *operators.entry(text(|out| (api.EpAssignedNode_GetOperatorType)(node, out))?).or_insert(0) += 1;
            }
        }
    }
    Ok(operators)
}

/// # Safety
/// `first` points to `count` values that live for `'a`, or `count` is 0.
unsafe fn slice<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(first, count) }
}

/// A text that the C interface returns.
///
/// # Safety
/// Where `ask` succeeds it writes the address of a string that ends with a zero byte.
unsafe fn text(ask: impl FnOnce(*mut *const c_char) -> sys::OrtStatusPtr) -> ort::Result<String> {
    let mut text = ptr::null();
    // SAFETY: the caller's promise; the status is taken over.
    unsafe {
        ort::Error::result_from_status(ask(&raw mut text))?;
        Ok(CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::check_session;
    use super::*;
    use crate::backend::onnx::library;

    /// The smallest bundle's session on the CPU, or `None` where ONNX Runtime is absent.
    fn session(path: &Path) -> Option<Session> {
        let environment = library::environment().ok()?;
        let builder = Session::builder(&environment).unwrap().with_config_entry(RECORD_PLACEMENT, "1");
        Some(builder.unwrap().commit_from_file(path).unwrap())
    }

    #[test]
    fn what_computes_on_the_cpu_is_counted_and_refused() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fixtures/tiny-portable/model.onnx");
        let Some(session) = session(&path) else { return };
        let operators = placed_on_cpu(&session).unwrap();
        assert!(operators.contains_key("Shape") && operators["GroupQueryAttention"] == 2, "{operators:?}");
        let device = Device::Cuda { ordinal: 0 };
        let refused = check_session(device, &session, &path).unwrap_err().to_string();
        assert!(refused.contains("found on the CPU: ") && refused.contains("`GroupQueryAttention` (2)"), "{refused}");
        assert!(!refused.contains("`Shape`"), "{refused}");
        check_session(Device::Cpu, &session, &path).unwrap();
    }
}
