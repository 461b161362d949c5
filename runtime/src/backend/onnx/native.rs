#![expect(unsafe_code, reason = "the C interface of ONNX Runtime, where `ort` has no call or one that allocates")]
//! The few calls that go past `ort`.

use std::ffi::CStr;
use std::path::Path;
use std::sync::Once;

use ort::memory::MemoryInfo;
use ort::session::{IoBinding, Session};
use ort::value::{Shape, TensorRefMut};
use ort::{AsPointer, sys};

use super::cache::Span;
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

/// Copies bytes between caches in the CPU's memory.
pub(super) fn copy<'a>(spans: impl Iterator<Item = Span<'a>>) {
    for span in spans {
        // SAFETY: spans lie within tensors that the bindings of two caches keep alive and nobody runs on meanwhile, because
        // the caches are borrowed (promise of `Span`); a cache binds tensors of its own, so they do not overlap.
        unsafe {
            let from = std::ptr::with_exposed_provenance::<u8>(span.from());
            let to = std::ptr::with_exposed_provenance_mut::<u8>(span.to());
            std::ptr::copy_nonoverlapping(from, to, span.bytes());
        }
    }
}

/// Binds the input `input` to the bytes that a span is copied from and the output `output` to those it is copied to, and runs the session.
///
/// `ort` copies what it does not own before it binds it as an input, and binds as output only what it owns.
pub(super) fn run_on_span(
    session: &mut Session,
    binding: &mut IoBinding,
    memory: &MemoryInfo<'_>,
    [input, output]: [&CStr; 2],
    span: Span<'_>,
) -> ort::Result<()> {
    let view = |address: usize| {
        let address = std::ptr::with_exposed_provenance_mut(address);
        // SAFETY: the bytes lie in this memory and stay alive, because the caches that a span lies in are borrowed (promise
        // of `Span`); the view is gone when this function returns.
        unsafe { TensorRefMut::<u8>::from_raw(memory.to_owned(), address, Shape::new([span.bytes() as i64])) }
    };
    let (from, to) = (view(span.from())?, view(span.to())?);
    // SAFETY: pointers are valid while borrowed (promise of `AsPointer`), and the binding is replaced or dropped before it
    // is run again. The statuses are taken over.
    unsafe {
        let api = ort::api();
        ort::Error::result_from_status((api.BindInput)(binding.ptr_mut(), input.as_ptr(), from.ptr()))?;
        ort::Error::result_from_status((api.BindOutput)(binding.ptr_mut(), output.as_ptr(), to.ptr()))?;
    }
    run(session, binding)
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
    let base = base(path)?;
    // SAFETY: the answer is a string that lives as long as the library (promise of its C interface).
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    Ok(version.to_string_lossy().into_owned())
}

/// The execution providers that the ONNX Runtime library at `path` was built with; its version must be one that works.
pub(super) fn providers(path: &Path) -> Result<Vec<String>, LibraryError> {
    let base = base(path)?;
    let (mut names, mut count) = (std::ptr::null_mut(), 0);
    // SAFETY: the answer is null or a table that lives as long as the library. The call writes an array of `count` strings,
    // which are read before they are given back; a status, which would mean a lack of memory, stays with the library.
    unsafe {
        let Some(api) = (base.GetApi)(sys::ORT_API_VERSION).as_ref() else {
            return Err(unusable(path, format!("a library without version {} of its interface", sys::ORT_API_VERSION)));
        };
        let status = (api.GetAvailableProviders)(&raw mut names, &raw mut count);
        if !status.0.is_null() || names.is_null() {
            return Err(unusable(path, "a library that does not tell its execution providers"));
        }
        let found = (0..count as usize).map(|index| CStr::from_ptr(*names.add(index)).to_string_lossy().into_owned());
        let found = found.collect();
        let _ = (api.ReleaseAvailableProviders)(names, count);
        Ok(found)
    }
}

/// What the ONNX Runtime library at `path` offers; it is loaded for the question and stays loaded.
fn base(path: &Path) -> Result<&'static sys::OrtApiBase, LibraryError> {
    // SAFETY: loading runs the library's initialisers. The path is the user's own choice or one beside this program, and
    // being ONNX Runtime's library is the promise of whoever put it there.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| unusable(path, describe(&error)))?;
    // SAFETY: every ONNX Runtime library exports this function with this type (promise of its C interface).
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const sys::OrtApiBase>(b"OrtGetApiBase\0") }
        .map_err(|_| unusable(path, "a library without `OrtGetApiBase`"))?;
    // SAFETY: as above; the answer is null or points to a table that lives as long as the library.
    let base = unsafe { base().as_ref() };
    // Unloading and loading again would only cost time: `ort` loads the same file next.
    std::mem::forget(library);
    base.ok_or_else(|| unusable(path, "a library without a version"))
}

fn unusable(path: &Path, found: impl Into<String>) -> LibraryError {
    LibraryError::Unusable { path: path.to_owned(), found: found.into() }
}

/// What the loader said, without the path that the message names already.
fn describe(error: &libloading::Error) -> String {
    let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    text.rsplit_once(": ").map_or(text.clone(), |(_, reason)| reason.to_owned())
}
