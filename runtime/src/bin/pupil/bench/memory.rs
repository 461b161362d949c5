//! Memory of this process, split into what is its own and what belongs to mapped files.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// Resident memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Memory {
    /// Heap, stacks and other memory of this process alone.
    pub(crate) anonymous_bytes: u64,
    /// Pages of mapped files, libraries included; the system can drop them at any time.
    pub(crate) mapped_bytes: u64,
}

/// Memory now; `None` where the system does not tell.
pub(crate) fn now() -> Option<Memory> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some(Memory { anonymous_bytes: field(&status, "RssAnon:")?, mapped_bytes: field(&status, "RssFile:")? })
}

/// How many maps of `file` this process has; `None` where the system does not tell.
pub(crate) fn maps_of(file: &Path) -> Option<usize> {
    let file = fs::canonicalize(file).ok()?;
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    Some(maps.lines().filter(|line| line.ends_with(&*file.to_string_lossy())).count())
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
