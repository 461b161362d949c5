//! Where ONNX Runtime's library is, and the one environment that a process has of it.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use serde::Serialize;

use super::native;
use crate::error::LibraryError;

/// Environment variable that names the library.
const OVERRIDE: &str = "ORT_DYLIB_PATH";
/// Where `make native` puts the library.
const WORKSPACE_LIBRARY: &str = env!("PUPIL_ONNXRUNTIME");
/// The library's name without version.
const NAME: &str = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" };

/// An ONNX Runtime library that was found and can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LibraryInfo {
    /// The file.
    pub path: PathBuf,
    /// What led to it: `ORT_DYLIB_PATH`, `executable` or `workspace`.
    pub found_by: &'static str,
    /// Its version.
    pub version: String,
    /// Oldest version that works.
    pub required: String,
    /// The execution providers that it was built with.
    pub providers: Vec<String>,
}

/// Finds ONNX Runtime: `ORT_DYLIB_PATH`, else beside the executable or in `../lib` of it, else where `make native` puts it.
///
/// The first that exists is taken; a file that cannot be used is an error, never skipped.
///
/// # Errors
/// [`LibraryError`] if there is none, or it is not ONNX Runtime, or it is too old.
pub fn find_library() -> Result<LibraryInfo, LibraryError> {
    native::disable_telemetry();
    let (path, found_by) = locate()?;
    let version = native::version(&path)?;
    let required = format!("1.{}.0", ort::MINOR_VERSION);
    if minor(&version) < minor(&required) {
        return Err(LibraryError::Version { path, expected: required, found: version });
    }
    let providers = native::providers(&path)?;
    Ok(LibraryInfo { path, found_by, version, required, providers })
}

/// The process's environment, made at the first call; telemetry is off before the library loads and again once it has.
pub(super) fn environment() -> Result<Environment, LibraryError> {
    static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);
    // A thread that panicked here left either nothing or a whole environment.
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*environment {
        return Ok(environment.clone());
    }
    let library = find_library()?;
    let builder = ort::init_from(&library.path)
        .map_err(|error| LibraryError::Unusable { path: library.path, found: error.to_string() })?;
    let started = builder
        .with_name("pupil")
        .with_telemetry(false)
        .build()
        .map_err(|error| LibraryError::Start { reason: error.to_string() })?;
    // Whatever goes wrong comes back as an error; a second report on the standard error would only be noise.
    started.set_log_level(LogLevel::Fatal);
    Ok(environment.insert(started).clone())
}

fn locate() -> Result<(PathBuf, &'static str), LibraryError> {
    if let Some(path) = env::var_os(OVERRIDE).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        // A relative path means the working folder, not the loader's search path.
        let path = std::path::absolute(&path).unwrap_or(path);
        return if path.is_file() { Ok((path, OVERRIDE)) } else { Err(LibraryError::Missing { searched: vec![path] }) };
    }
    let executable = env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned));
    let folders: Vec<PathBuf> =
        executable.map(|folder| vec![folder.clone(), folder.join("../lib")]).unwrap_or_default();
    if let Some(path) = folders.iter().find_map(|folder| newest_in(folder)) {
        return Ok((path, "executable"));
    }
    let workspace = PathBuf::from(WORKSPACE_LIBRARY);
    if workspace.is_file() {
        return Ok((workspace, "workspace"));
    }
    let searched = folders.into_iter().map(|folder| folder.join(NAME)).chain([workspace]).collect();
    Err(LibraryError::Missing { searched })
}

/// The library in `folder`: without a version in its name, else the newest.
fn newest_in(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join(NAME);
    if plain.is_file() {
        return Some(plain);
    }
    let names = folder.read_dir().ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let newest = names.filter(|name| name.starts_with("libonnxruntime.so.")).max_by_key(|name| minor(&name[18..]))?;
    Some(folder.join(newest))
}

/// Major and minor number of a version.
fn minor(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
