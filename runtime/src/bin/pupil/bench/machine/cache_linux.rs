//! Dropping cached pages on Linux.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

/// Drops the cached pages of a file; its size.
pub(super) fn drop_file(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    // Pages that are not yet written cannot be dropped.
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed)?;
    Ok(file.metadata()?.len())
}
