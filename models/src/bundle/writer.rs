//! Writing a bundle: it appears whole, by a rename, or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{BundleError, FileRecord, MANIFEST, Manifest, TOKENIZER, TOKENIZER_TABLES, watched_digest_of_file};
use crate::durable;
use crate::tokenizer::{self, NotDerived};

/// Collects a bundle's files in a hidden folder beside the target; [`BundleWriter::seal`] renames it into place.
///
/// Dropped before that, it removes the hidden folder.
#[derive(Debug)]
pub struct BundleWriter {
    target: PathBuf,
    staging: PathBuf,
    sealed: bool,
}

impl BundleWriter {
    /// Starts a bundle that will appear as `target`.
    pub fn create(target: &Path) -> Result<Self, BundleError> {
        let staging = durable::staging_path(target);
        // A leftover of a killed process with the same id is worthless.
        let _ = fs::remove_dir_all(&staging);
        fs::create_dir_all(&staging).map_err(|source| BundleError::write(&staging, source))?;
        Ok(Self { target: target.to_owned(), staging, sealed: false })
    }

    /// The hidden folder; a file put there by other means becomes part of the bundle.
    #[must_use]
    pub fn staging(&self) -> &Path {
        &self.staging
    }

    /// Adds a file.
    pub fn add(&self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let path = self.staging.join(name);
        fs::write(&path, bytes).map_err(|source| BundleError::write(&path, source))
    }

    /// Adds a copy of `source`.
    pub fn add_copy(&self, name: &str, source: &Path) -> Result<(), BundleError> {
        let path = self.staging.join(name);
        fs::copy(source, &path).map(|_| ()).map_err(|source| BundleError::write(&path, source))
    }

    /// Adds the `tokenizer.json` at `source` and, if it is of a kind that has them, its tables.
    ///
    /// The tables must encode `samples` as the library does. Returns why there are none; the tokenizer is parsed at every
    /// start then, with the same ids.
    pub fn add_tokenizer(&self, source: &Path, samples: &[String]) -> Result<Option<NotDerived>, BundleError> {
        let json = fs::read(source).map_err(|error| BundleError::read(source, error))?;
        self.add(TOKENIZER, &json)?;
        match tokenizer::derive(&json, samples) {
            Ok(tables) => self.add(TOKENIZER_TABLES, &tables).map(|()| None),
            Err(reason) => Ok(Some(reason)),
        }
    }

    /// Sizes and digests of the files added so far.
    pub fn records(&self) -> Result<BTreeMap<String, FileRecord>, BundleError> {
        self.records_watched(&mut |_| Ok(()))
    }

    /// As [`Self::records`], for large files; `watch` is told how many bytes were read since it was told last, and ends the work
    /// with an error.
    pub fn records_watched(
        &self,
        watch: &mut dyn FnMut(usize) -> io::Result<()>,
    ) -> Result<BTreeMap<String, FileRecord>, BundleError> {
        let entries = fs::read_dir(&self.staging).map_err(|source| BundleError::read(&self.staging, source))?;
        let mut records = BTreeMap::new();
        for entry in entries {
            let path = entry.map_err(|source| BundleError::read(&self.staging, source))?.path();
            let bytes = fs::metadata(&path).map_err(|source| BundleError::read(&path, source))?.len();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            records.insert(name, FileRecord { bytes, sha256: watched_digest_of_file(&path, watch)? });
        }
        records.remove(MANIFEST);
        Ok(records)
    }

    /// Writes the manifest into the hidden folder, so that it can be opened as a bundle before it is sealed.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), BundleError> {
        // A struct of plain fields always serialises.
        let text = serde_json::to_string_pretty(manifest).unwrap_or_default();
        self.add(MANIFEST, format!("{text}\n").as_bytes())
    }

    /// Flushes everything and renames the folder to its target; a bundle that was there is replaced.
    pub fn seal(mut self) -> Result<(), BundleError> {
        for entry in fs::read_dir(&self.staging).map_err(|source| BundleError::read(&self.staging, source))? {
            let path = entry.map_err(|source| BundleError::read(&self.staging, source))?.path();
            File::open(&path).and_then(|file| file.sync_all()).map_err(|source| BundleError::write(&path, source))?;
        }
        let failed = |source| BundleError::write(&self.target, source);
        File::open(&self.staging).and_then(|folder| folder.sync_all()).map_err(failed)?;
        let replaced = self.staging.with_extension("replaced");
        // Moved aside, not overwritten: a process that has the old bundle mapped keeps its files.
        let had_old = self.target.exists();
        if had_old {
            fs::rename(&self.target, &replaced).map_err(failed)?;
        }
        fs::rename(&self.staging, &self.target).map_err(failed)?;
        durable::sync_folder(&self.target).map_err(failed)?;
        if had_old {
            fs::remove_dir_all(&replaced).map_err(failed)?;
        }
        self.sealed = true;
        Ok(())
    }
}

impl Drop for BundleWriter {
    fn drop(&mut self) {
        if !self.sealed {
            // Nothing useful can be done with a failure here; the next writer removes the leftover.
            let _ = fs::remove_dir_all(&self.staging);
        }
    }
}
