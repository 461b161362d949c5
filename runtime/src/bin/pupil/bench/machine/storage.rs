//! The page cache between this process and its files.

use std::path::Path;

#[cfg_attr(target_os = "linux", path = "cache_linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "cache_other.rs")]
mod cache;

/// Asks the system to forget the cached pages of the plain files in `folder`; their bytes together.
///
/// It is a wish: pages that another process maps stay, and some file systems keep what they like. [`bytes_read`] tells
/// afterwards what happened.
///
/// # Errors
/// Why nothing can be dropped, in words.
pub(in super::super) fn drop_cached(folder: &Path) -> Result<u64, String> {
    let describe = |error: std::io::Error| format!("the page cache cannot be dropped: {error}");
    let mut bytes = 0;
    for entry in folder.read_dir().map_err(describe)? {
        let path = entry.map_err(describe)?.path();
        if path.is_file() {
            bytes += cache::drop_file(&path).map_err(describe)?;
        }
    }
    Ok(bytes)
}

/// Bytes that this process has had fetched from storage; `None` where the system does not tell.
pub(in super::super) fn bytes_read() -> Option<u64> {
    let counters = std::fs::read_to_string("/proc/self/io").ok()?;
    counters.lines().find_map(|line| line.strip_prefix("read_bytes: "))?.trim().parse().ok()
}
