//! Finds the runs that the user means.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ReportError;
use crate::pipeline::EXPERIMENT;

/// The folders of the runs that `named` means, in the order given, each once.
///
/// A name is a run's folder, a folder that holds runs, an experiment file, or the name of a run below `runs`.
pub(super) fn folders(named: &[PathBuf], runs: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for name in named {
        for folder in meant(name, runs)? {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    Ok(folders)
}

fn meant(named: &Path, runs: &Path) -> Result<Vec<PathBuf>, ReportError> {
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
        return Ok(vec![folder.to_owned()]);
    }
    let inside = children(folder)?;
    if inside.is_empty() { Err(no_run("a folder without any run")) } else { Ok(inside) }
}

/// The run of an experiment file, and those of its variants: `NAME`, `NAME-…`, or below `NAME/`.
fn of_experiment(file: &Path, runs: &Path) -> Result<Vec<PathBuf>, ReportError> {
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
        vec![folder]
    } else {
        children(&folder)?
    };
    if runs.is_dir() {
        let vanilla = runs.join(format!("{}-vanilla", named.name));
        if vanilla.is_dir() && is_run(&vanilla)? {
            found.push(vanilla);
        }
    }
    if found.is_empty() {
        let found = format!("no run of it below `{}`", runs.display());
        return Err(ReportError::NoRun { path: file.to_owned(), found });
    }
    Ok(found)
}

fn children(folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let mut inside = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() && is_run(&path)? {
            inside.push(path);
        }
    }
    Ok(inside)
}

/// Whether a folder has anything of a run in it.
fn is_run(folder: &Path) -> Result<bool, ReportError> {
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
