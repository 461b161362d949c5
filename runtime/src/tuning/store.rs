//! Where choices are kept.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pupil_models::bundle::{BundleError, BundleWriter};
use pupil_models::durable;

use super::{Entry, Ignored, Key, owner};

/// Environment variable that names the cache folder.
pub const CACHE_VARIABLE: &str = "PUPIL_CACHE_DIR";
/// Folder of the entries in the cache folder.
const FOLDER: &str = "tuning";
/// Ending of an entry's file.
const ENTRY: &str = "json";
/// Ending of the folder of a saved graph.
const GRAPH: &str = "graph";
/// Entries are a few kilobytes; what is larger is none.
const MOST_BYTES: u64 = 1 << 16;

/// A folder of stored choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

/// A file in the store.
#[derive(Debug)]
pub struct Stored {
    /// The file.
    pub path: PathBuf,
    /// Its entry, for whatever key, or why it is passed over.
    pub entry: Result<Entry, Ignored>,
}

impl Store {
    /// The store in a cache folder; nothing is created yet.
    #[must_use]
    pub fn in_cache(cache: &Path) -> Self {
        Self { folder: cache.join(FOLDER) }
    }

    /// The user's store: in `PUPIL_CACHE_DIR`, else in `pupil` in `XDG_CACHE_HOME`, else in `~/.cache/pupil`.
    ///
    /// `None` if the environment names no folder.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let folder = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        // Relative paths are void there, says the XDG base directory specification.
        let absolute = |path: &PathBuf| path.is_absolute();
        let cache = folder(CACHE_VARIABLE)
            .or_else(|| Some(folder("XDG_CACHE_HOME").filter(absolute)?.join("pupil")))
            .or_else(|| Some(folder("HOME").filter(absolute)?.join(".cache/pupil")))?;
        Some(Self::in_cache(&cache))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether anything was ever stored.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.folder.is_dir()
    }

    /// The entry of `key`; `Ok(None)` if there is none.
    ///
    /// # Errors
    /// [`Ignored`] if there is one that cannot be used: it is to be passed over, not reported as a failure.
    pub fn read(&self, key: &Key) -> Result<Option<Entry>, Ignored> {
        let entry = match load(&self.path(key, ENTRY)) {
            Err(Ignored::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entry => entry?,
        };
        entry.check_key(key)?;
        Ok(Some(entry))
    }

    /// Folder of the graph that was saved for `entry`; `Ok(None)` if none was.
    ///
    /// # Errors
    /// [`Ignored`] if what lies there is not what was saved, as far as that is told without reading the weights.
    pub fn saved_graph(&self, entry: &Entry) -> Result<Option<PathBuf>, Ignored> {
        let Some(saved) = entry.saved_graph else { return Ok(None) };
        let folder = self.path(&entry.key, GRAPH);
        // Who can write to it could put another folder in place of the one that is checked.
        owner::check_own_folder(&self.folder).map_err(|reason| Ignored::in_file(FOLDER, reason))?;
        saved.check(&folder)?;
        Ok(Some(folder))
    }

    /// As [`Self::saved_graph`], every byte read.
    ///
    /// # Errors
    /// [`Ignored`] if what lies there is not what was saved.
    pub fn verify_saved_graph(&self, entry: &Entry) -> Result<Option<PathBuf>, Ignored> {
        let folder = self.saved_graph(entry)?;
        if let (Some(saved), Some(folder)) = (&entry.saved_graph, &folder) {
            saved.verify(folder)?;
        }
        Ok(folder)
    }

    /// A folder that becomes the saved graph of `key` once it is sealed.
    pub(super) fn stage_graph(&self, key: &Key) -> Result<BundleWriter, BundleError> {
        let path = self.path(key, GRAPH);
        owner::create_folder(&self.folder)
            .map_err(|source| BundleError::Write { path: self.folder.clone(), source })?;
        remove_leftovers(&path);
        BundleWriter::create(&path)
    }

    /// Stores `entry` in place of an earlier one of its key, whole or not at all; the file that holds it.
    ///
    /// What is outdated by it is removed: saved graphs that no entry names, and what other versions stored for the same bundle
    /// and processor.
    ///
    /// # Errors
    /// Whatever the file system answers.
    pub fn write(&self, entry: &Entry) -> io::Result<PathBuf> {
        owner::create_folder(&self.folder)?;
        let path = self.path(&entry.key, ENTRY);
        let written = durable::write(&path, &serde_json::to_vec_pretty(entry)?);
        self.remove_outdated(&path, entry);
        written.map(|()| path)
    }

    /// What cannot be removed costs room on the disk and nothing else, so that nobody is told.
    fn remove_outdated(&self, path: &Path, entry: &Entry) {
        // Not `entry`, which a full disk may have kept out.
        if !load(path).is_ok_and(|stored| stored.saved_graph.is_some()) {
            let _ = fs::remove_dir_all(path.with_extension(GRAPH));
        }
        let outdated = |stored: &Stored| stored.entry.as_ref().is_ok_and(|other| entry.key.replaces(&other.key));
        for Stored { path, .. } in self.list().into_iter().filter(outdated) {
            let _ = fs::remove_file(&path);
            let _ = fs::remove_dir_all(path.with_extension(GRAPH));
        }
    }

    fn path(&self, key: &Key, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", key.name()))
    }

    /// Everything in the store, by file name; empty if there is no store.
    #[must_use]
    pub fn list(&self) -> Vec<Stored> {
        let Ok(files) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
        // Unfinished writes are hidden files.
        paths.retain(|path| path.extension().is_some_and(|extension| extension == ENTRY) && !is_hidden(path));
        paths.sort();
        paths.into_iter().map(|path| Stored { entry: load(&path), path }).collect()
    }
}

fn load(path: &Path) -> Result<Entry, Ignored> {
    let file = owner::open_own(path)?;
    let found = file.metadata()?.len();
    if found > MOST_BYTES {
        return Err(Ignored::Size { most: MOST_BYTES, found });
    }
    let mut bytes = Vec::new();
    // Bounded again: the file may grow while it is read.
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Entry::parse(&bytes)
}

/// Removes what killed processes left of unfinished writes to `path`: it may be as large as the student.
fn remove_leftovers(path: &Path) {
    let hidden = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let Some(files) = path.parent().and_then(|folder| fs::read_dir(folder).ok()) else { return };
    for file in files.flatten().filter(|file| file.file_name().to_string_lossy().starts_with(&hidden)) {
        let _ = fs::remove_dir_all(file.path());
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

#[cfg(test)]
mod tests;
