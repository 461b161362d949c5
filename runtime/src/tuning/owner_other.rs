//! Files of this user, where the system has no owners to compare.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::Ignored;

/// Opens `path` if it is a plain file.
pub(super) fn open_own(path: &Path) -> Result<File, Ignored> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(Ignored::NotAFile);
    }
    Ok(File::open(path)?)
}

/// Refuses `path` if it is no folder.
pub(super) fn check_own_folder(path: &Path) -> Result<(), Ignored> {
    if fs::symlink_metadata(path)?.is_dir() { Ok(()) } else { Err(Ignored::NotAFolder) }
}

/// Makes the folder.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}
