//! What `pupil tune` found out about this machine, and where it is kept.
//!
//! A choice is stored in the user's cache folder under a [`Key`]: which bundle, which processor, which versions. It is used
//! only if the key is exactly this bundle's on this machine, the file is this user's own, and every value is possible here;
//! anything else is passed over as if it were not there, and `pupil doctor` says why. So a copied home folder, another
//! processor or a new version of ONNX Runtime costs a second look, never a wrong setting.
//!
//! Where the choice has weights pre-packed by ONNX Runtime, its optimised graph may be saved beside it ([`SavedGraph`]).

mod entry;
mod graph;
mod key;
mod store;

#[cfg_attr(unix, path = "owner_unix.rs")]
#[cfg_attr(not(unix), path = "owner_other.rs")]
mod owner;

pub use entry::{Candidate, Choice, Entry, Ignored, MOST_BATCH_ROWS, SCHEMA};
pub(crate) use graph::{GRAPH, WEIGHTS};
pub use graph::{SaveGraphError, SavedGraph};
pub use key::Key;
pub use store::{CACHE_VARIABLE, Store, Stored};

use std::path::PathBuf;

use pupil_models::bundle::Bundle;

use crate::backend::onnx::find_library;

/// Folder of the graph saved for this bundle on this machine, if there is one that can be used.
#[must_use]
pub fn saved_graph(bundle: &Bundle) -> Option<PathBuf> {
    let (store, entry) = entry(bundle)?;
    store.saved_graph(&entry).ok()?
}

/// As [`saved_graph`], every byte read.
///
/// # Errors
/// [`Ignored`] if it would be used, although its weights are not those that were saved.
pub fn verify_saved_graph(bundle: &Bundle) -> Result<Option<PathBuf>, Ignored> {
    match entry(bundle) {
        Some((store, entry)) if store.saved_graph(&entry).is_ok() => store.verify_saved_graph(&entry),
        _ => Ok(None),
    }
}

/// What is stored for this bundle on this machine, if it can be used, and where.
pub(crate) fn entry(bundle: &Bundle) -> Option<(Store, Entry)> {
    // Most users never tune: looking for the folder first costs them one system call.
    let store = Store::of_user().filter(Store::exists)?;
    let library = find_library().ok()?;
    let entry = store.read(&Key::new(bundle.digest(), &library.version)).ok()??;
    Some((store, entry))
}
