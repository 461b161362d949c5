//! Files of this user, opened so that nobody can swap them in between.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::Ignored;

/// Permission of everybody to write.
const WRITABLE_BY_ALL: u32 = 0o002;

/// Opens `path` if it is a plain file, no link, that belongs to this user and that not everybody can write.
pub(super) fn open_own(path: &Path) -> Result<File, Ignored> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| {
        if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            Ignored::NotAFile
        } else {
            Ignored::Unreadable(error)
        }
    })?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Ignored::NotAFile);
    }
    check_own(&metadata)?;
    Ok(file)
}

/// Refuses `path` if it is no folder, or a link to one, or another user can write to it: what is checked in it could be
/// another file by the time it is opened.
pub(super) fn check_own_folder(path: &Path) -> Result<(), Ignored> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() { check_own(&metadata) } else { Err(Ignored::NotAFolder) }
}

fn check_own(metadata: &Metadata) -> Result<(), Ignored> {
    let expected = rustix::process::geteuid().as_raw();
    if metadata.uid() != expected {
        return Err(Ignored::Foreign { expected, found: format!("one of user {}", metadata.uid()) });
    }
    if metadata.mode() & WRITABLE_BY_ALL != 0 {
        return Err(Ignored::Foreign { expected, found: format!("mode {:o}", metadata.mode() & 0o7777) });
    }
    Ok(())
}

/// Makes the folder for this user alone.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
