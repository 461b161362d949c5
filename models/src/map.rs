#![expect(unsafe_code, reason = "mapping a file is the point of the bundle: it is paged in, never copied")]
//! The one place where a file is mapped.

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps `file` read-only.
///
/// # Errors
/// The operating system's error.
pub(crate) fn map_read_only(file: &File) -> io::Result<Mmap> {
    // SAFETY: a map is undefined behaviour if the file is changed meanwhile. The format's specification forbids that: a
    // bundle is written under another name and renamed into place, and no tool of ours writes to a sealed bundle.
    unsafe { Mmap::map(file) }
}
