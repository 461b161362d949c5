//! Files that are either whole or absent: temporary file → fsync → rename → fsync of the folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path` so that a reader, or a machine that loses power, sees the old file or the new one.
///
/// # Errors
/// Whatever the file system answers, with the path named; the temporary file is removed and `path` is untouched.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Like [`write()`], for content that is streamed by `content` instead of held in memory.
///
/// # Errors
/// As [`write()`], and whatever `content` returns.
pub fn write_with(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let staged = staging_path(path);
    let written = (|| {
        let mut file = File::create(&staged)?;
        content(&mut file)?;
        file.sync_all()?;
        fs::rename(&staged, path)?;
        sync_folder(path)
    })();
    if written.is_err() {
        // The write's own error matters more than a leftover that the next write replaces.
        let _ = fs::remove_file(&staged);
    }
    written.map_err(|source| with_path(&source, path))
}

/// Flushes the folder that holds `path`, so that a rename in it survives a power loss.
///
/// # Errors
/// Whatever the file system answers.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// The hidden sibling of `path` that is renamed over it once complete; unique to this process.
#[must_use]
pub fn staging_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.partial", std::process::id()))
}

/// Name of the file in a folder that whoever writes to the folder holds a lock on.
pub const LOCK: &str = "lock";

/// Removes what killed processes left of unfinished writes in `folder` and the folders below it.
///
/// Only for a folder that no other process writes to; folders below it that have a [`LOCK`] of their own are left alone.
///
/// # Errors
/// Whatever the file system answers.
pub fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_leftover = name.starts_with('.') && (name.ends_with(".partial") || name.ends_with(".replaced"));
        match (is_leftover, path.is_dir()) {
            (true, true) => fs::remove_dir_all(&path)?,
            (true, false) => fs::remove_file(&path)?,
            (false, true) if path.join(LOCK).exists() => {}
            (false, true) => remove_leftovers(&path)?,
            (false, false) => {}
        }
    }
    Ok(())
}

fn with_path(source: &io::Error, path: &Path) -> io::Error {
    io::Error::new(source.kind(), format!("`{}`: {source}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_removed_but_not_those_of_a_locked_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["mine", "theirs"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join(".a.1.partial"), "half").unwrap();
        }
        fs::write(folder.path().join("theirs").join(LOCK), "").unwrap();
        remove_leftovers(folder.path()).unwrap();
        assert!(!folder.path().join("mine/.a.1.partial").exists());
        assert!(folder.path().join("theirs/.a.1.partial").exists());
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_leftover() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.txt");
        write(&path, b"old").unwrap();
        let failed = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk on fire"))
        });
        assert!(failed.unwrap_err().to_string().contains("kept.txt"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
