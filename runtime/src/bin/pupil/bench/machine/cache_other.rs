//! Dropping cached pages where no call for it is known.

use std::io;
use std::path::Path;

/// Says that it cannot be done.
pub(super) fn drop_file(_path: &Path) -> io::Result<u64> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no call for it"))
}
