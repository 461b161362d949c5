//! Finds the runs that the user means.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ReportError;
use crate::pipeline::EXPERIMENT;

/// What a sweep and a comparison of methods leave in the folder that holds their runs.
pub(super) const GROUP_FILES: [&str; 2] = ["sweep.json", "compare.json"];

/// A run that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its folder.
    pub(super) folder: PathBuf,
    /// The folder of the sweep or comparison that it is part of.
    pub(super) group: Option<PathBuf>,
}

/// The runs that `named` means, in the order given, each once.
///
/// A name is a run's folder, a folder that holds runs or sweeps, an experiment file, or the name of one of these below `runs`.
pub(super) fn runs(named: &[PathBuf], runs: &Path) -> Result<Vec<Found>, ReportError> {
    let mut all: Vec<Found> = Vec::new();
    for name in named {
        for found in meant(name, runs)? {
            if all.iter().all(|known| known.folder != found.folder) {
                all.push(found);
            }
        }
    }
    Ok(all)
}

fn meant(named: &Path, runs: &Path) -> Result<Vec<Found>, ReportError> {
    let no_run = |found: &str| ReportError::NoRun { path: named.to_owned(), found: found.to_owned() };
    if named.is_file() {
        return of_experiment(named, runs);
    }
    let below = runs.join(named);
    let folder = match (named.is_dir(), below.is_dir()) {
        (true, _) => named,
        (false, true) => &below,
        (false, false) => return Err(no_run("nothing")),
    };
    if is_run(folder)? {
        return Ok(vec![Found::at(folder)]);
    }
    let inside = children(folder, 1)?;
    if inside.is_empty() { Err(no_run("a folder without any run")) } else { Ok(inside) }
}

/// The run of an experiment file, and those of its variants: `NAME`, `NAME-…`, or below `NAME/`.
fn of_experiment(file: &Path, runs: &Path) -> Result<Vec<Found>, ReportError> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let text = fs::read_to_string(file).map_err(|source| ReportError::File { path: file.to_owned(), source })?;
    let named: Named =
        toml::from_str(&text).map_err(|error| ReportError::damaged(file, "an experiment with a `name`", error))?;
    let folder = runs.join(&named.name);
    let mut found = if !folder.is_dir() {
        Vec::new()
    } else if is_run(&folder)? {
        vec![Found::at(&folder)]
    } else {
        children(&folder, 0)?.into_iter().map(|found| Found { group: Some(folder.clone()), ..found }).collect()
    };
    if runs.is_dir() {
        let vanilla = runs.join(format!("{}-vanilla", named.name));
        if vanilla.is_dir() && is_run(&vanilla)? {
            found.push(Found::at(&vanilla));
        }
    }
    if found.is_empty() {
        let found = format!("no run of it below `{}`", runs.display());
        return Err(ReportError::NoRun { path: file.to_owned(), found });
    }
    Ok(found)
}

impl Found {
    fn at(folder: &Path) -> Self {
        let above = folder.parent().filter(|above| is_group(above));
        Self { folder: folder.to_owned(), group: above.map(Path::to_owned) }
    }
}

/// The runs in a folder, and in folders in it that are no runs, so many `levels` deep.
fn children(folder: &Path, levels: u8) -> Result<Vec<Found>, ReportError> {
    let mut inside = Vec::new();
    for path in entries(folder)? {
        if !path.is_dir() {
            continue;
        }
        if is_run(&path)? {
            inside.push(Found::at(&path));
        } else if levels > 0 {
            // A sweep that is not through its first variant has no file of its own yet.
            let below = children(&path, levels - 1)?;
            inside.extend(below.into_iter().map(|found| Found { group: Some(path.clone()), ..found }));
        }
    }
    Ok(inside)
}

fn is_group(folder: &Path) -> bool {
    GROUP_FILES.iter().any(|name| folder.join(name).is_file())
}

/// Whether a folder has anything of a run in it; that of a comparison may have the bundle that its runs share.
fn is_run(folder: &Path) -> Result<bool, ReportError> {
    if is_group(folder) {
        return Ok(false);
    }
    let marks = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_evaluation = name.starts_with("eval-") && name.ends_with(".json");
        name == "rationales.db" || name == EXPERIMENT || name.ends_with(".stage.toml") || is_evaluation
    };
    Ok(entries(folder)?.iter().any(marks))
}

/// What a folder holds, by name.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let failed = |source| ReportError::File { path: folder.to_owned(), source };
    let read = fs::read_dir(folder).map_err(failed)?;
    let mut paths = read.map(|entry| Ok(entry.map_err(failed)?.path())).collect::<Result<Vec<_>, ReportError>>()?;
    paths.sort_unstable();
    Ok(paths)
}
