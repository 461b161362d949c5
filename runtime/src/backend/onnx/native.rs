#![expect(unsafe_code, reason = "the C interface of ONNX Runtime, where `ort` has no call or one that allocates")]
//! The few calls that go past `ort`.

use std::ffi::CStr;
use std::path::Path;
use std::sync::Once;

use ort::AsPointer;
use ort::session::{IoBinding, Session};

use super::cache::Buffers;
use crate::error::LibraryError;

/// What ONNX Runtime reads before it starts its telemetry.
const TELEMETRY_SWITCH: &str = "ORT_DISABLE_TELEMETRY";

/// Runs the session on what is bound.
///
/// `ort`'s own call wraps every output in a new value, which for a cache of many layers costs more than a small student's
/// decode step; all outputs here are bound to tensors that the caller keeps.
pub(super) fn run(session: &mut Session, binding: &IoBinding) -> ort::Result<()> {
    // SAFETY: both pointers are valid while borrowed (promise of `AsPointer`), the binding was created for a session that
    // it keeps alive and was given every input and output as a tensor that it also keeps alive, and `&mut Session` makes
    // this the only run. Null run options mean the defaults (promise of the C interface). The status is taken over.
    unsafe {
        let status = (ort::api().RunWithBinding)(session.ptr_mut(), std::ptr::null(), binding.ptr());
        ort::Error::result_from_status(status)
    }
}

/// Copies the first `bytes` of every head of the only row of `from` to row `row` of `to`.
///
/// # Panics
/// There is no such row, or heads of one of the two have fewer bytes, or they differ in heads or layers.
pub(super) fn copy_heads(from: &Buffers, to: &mut Buffers, row: usize, bytes: usize) {
    assert!(bytes <= from.head_bytes.min(to.head_bytes) && row < to.rows, "a row with room for {bytes} bytes a head");
    assert_eq!((from.addresses.len(), from.heads), (to.addresses.len(), to.heads), "caches of one student");
    for (&from_address, &to_address) in from.addresses.iter().zip(&to.addresses) {
        for head in 0..from.heads {
            let (source, target) = (head * from.head_bytes, (row * to.heads + head) * to.head_bytes);
            // SAFETY: both tensors are kept alive by bindings that their caches own and lie in the CPU's memory; source and
            // target lie within them (rows, heads and bytes are checked above) and in different tensors, as each
            // cache binds its own; nobody runs on them now, because their caches are borrowed.
            unsafe {
                let source = std::ptr::with_exposed_provenance::<u8>(from_address).add(source);
                let target = std::ptr::with_exposed_provenance_mut::<u8>(to_address).add(target);
                std::ptr::copy_nonoverlapping(source, target, bytes);
            }
        }
    }
}

/// Tells ONNX Runtime not to phone home, unless the user has already set the switch.
pub(super) fn disable_telemetry() {
    static SWITCHED: Once = Once::new();
    SWITCHED.call_once(|| {
        if std::env::var_os(TELEMETRY_SWITCH).is_none() {
            // SAFETY: changing the environment is undefined behaviour if another thread reads it through C at the same
            // time. It happens once per process, before ONNX Runtime is loaded and so before it has threads. For threads
            // of the caller's own the promise is the caller's: `Engine::open` says so, and setting the switch beforehand
            // avoids the call.
            unsafe { std::env::set_var(TELEMETRY_SWITCH, "1") };
        }
    });
}

/// Version of the ONNX Runtime library at `path`, which is loaded for the question and stays loaded.
pub(super) fn version(path: &Path) -> Result<String, LibraryError> {
    let refuse = |found: String| LibraryError::Unusable { path: path.to_owned(), found };
    // SAFETY: loading runs the library's initialisers. The path is the user's own choice or one beside this program, and
    // being ONNX Runtime's library is the promise of whoever put it there.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| refuse(describe(&error)))?;
    // SAFETY: every ONNX Runtime library exports this function with this type (promise of its C interface).
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const ort::sys::OrtApiBase>(b"OrtGetApiBase\0") }
        .map_err(|_| refuse("a library without `OrtGetApiBase`".to_owned()))?;
    // SAFETY: as above; the answer is null or points to a table that lives as long as the library.
    let version = unsafe { base().as_ref().map(|base| CStr::from_ptr((base.GetVersionString)())) };
    let version = version.map(|text| text.to_string_lossy().into_owned());
    // Unloading and loading again would only cost time: `ort` loads the same file next.
    std::mem::forget(library);
    version.ok_or_else(|| refuse("a library without a version".to_owned()))
}

/// What the loader said, without the path that the message names already.
fn describe(error: &libloading::Error) -> String {
    let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    text.rsplit_once(": ").map_or(text.clone(), |(_, reason)| reason.to_owned())
}
