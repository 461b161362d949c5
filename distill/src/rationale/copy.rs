//! A copy of a store, for a run that begins with what another one was taught.

use std::path::Path;

use pupil_models::durable;
use rusqlite::{Connection, OpenFlags};

use super::{RationaleError, Reader};

impl Reader {
    /// Writes a copy of the store to `path`, whole or not at all, while it may be written to.
    ///
    /// # Errors
    /// There is something at `path`; the disk refuses.
    pub fn copy_to(&self, path: &Path) -> Result<(), RationaleError> {
        let failed = |source| RationaleError::Write { path: path.to_owned(), source };
        if path.exists() {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        let staged = durable::staging_path(path);
        // A connection of its own, because a reader's refuses every statement that writes anywhere.
        let copied = Connection::open_with_flags(self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY)
            .and_then(|connection| connection.execute("VACUUM INTO ?", [staged.to_string_lossy()]))
            .map_err(|source| self.failed(source))
            .and_then(|_| {
                std::fs::File::open(&staged)
                    .and_then(|file| file.sync_all())
                    .and_then(|()| std::fs::rename(&staged, path))
                    .and_then(|()| durable::sync_folder(path))
                    .map_err(failed)
            });
        if copied.is_err() {
            // The copy's own error matters more than a leftover that is removed when the run is opened.
            let _ = std::fs::remove_file(&staged);
        }
        copied
    }
}
