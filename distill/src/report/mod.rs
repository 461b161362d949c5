//! The report: one HTML page about some runs, and the CSV behind each of its figures.
//!
//! [`write()`] finds the runs (`find`), reads what their folders say (`facts`), makes a figure of each question that one asks of
//! them (`section`), and writes the page (`page`). A figure's drawing and its CSV come from the same values (`figure`). What a run does
//! not have yet is said to be missing; what it has and cannot be read is an error that names the file.
//!
//! The page needs no network, no script and no other file; equal runs give equal bytes.

mod chart;
mod error;
mod facts;
mod figure;
mod find;
mod number;
mod page;
mod published;
mod section;
mod table;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use pupil_models::durable;

pub use error::ReportError;

use facts::{Group, RunFacts};
use figure::Figure;
use find::Found;

/// What to report on, and where.
#[derive(Clone, Debug)]
pub struct ReportPlan {
    /// Run folders, folders of runs, experiment files, or names of runs.
    pub named: Vec<PathBuf>,
    /// Folder that holds the runs that are named, or whose experiment file is.
    pub runs: PathBuf,
    /// The page; the CSV files go into a folder beside it that has its name without the ending.
    pub out: PathBuf,
    /// A date to print, as the user words it; equal runs give equal pages only with equal dates.
    pub date: Option<String>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Names of the runs on the page.
    pub runs: Vec<String>,
    /// The CSV files, in the order of the page.
    pub tables: Vec<PathBuf>,
}

/// Writes a report.
///
/// # Errors
/// [`ReportError`]: no run is meant, a file of a run is damaged, or the report cannot be written. Nothing is written before all
/// runs are read.
pub fn write(plan: &ReportPlan) -> Result<Written, ReportError> {
    let mut found = find::runs(&plan.named, &plan.runs)?;
    let groups = groups(&found)?;
    order_members(&mut found, &groups);
    let read = |found: &Found| RunFacts::read(&found.folder, groups.iter().find(|group| group.is_of(found)));
    let mut runs = found.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    tell_apart(&found, &mut runs);
    let figures = section::figures(&runs);
    let folder = plan.out.with_extension("");
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let page = page::page(&runs, &groups, &figures, &name, plan.date.as_deref());
    let tables = write_tables(&folder, &figures)?;
    write_file(&plan.out, page.as_bytes())?;
    Ok(Written { runs: runs.into_iter().map(|run| run.name).collect(), tables })
}

/// The sweeps and comparisons that runs are part of, each once.
fn groups(found: &[Found]) -> Result<Vec<Group>, ReportError> {
    let mut groups: Vec<Group> = Vec::new();
    for one in found {
        if let Some(folder) = &one.group
            && groups.iter().all(|group| !group.is_of(one))
        {
            groups.push(Group::read(folder)?);
        }
    }
    Ok(groups)
}

/// Members of a group stand together, in the order in which it names them.
fn order_members(found: &mut Vec<Found>, groups: &[Group]) {
    let first_of = |one: &Found| match &one.group {
        None => found.iter().position(|other| other == one),
        Some(group) => found.iter().position(|other| other.group.as_ref() == Some(group)),
    };
    let place = |one: &Found| groups.iter().find(|group| group.is_of(one)).map(|group| group.place(one));
    let mut ordered = found.clone();
    ordered.sort_by_cached_key(|one| (first_of(one), place(one)));
    *found = ordered;
}

/// Runs that would have one name are named with the folder above.
fn tell_apart(found: &[Found], runs: &mut [RunFacts]) {
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    for (found, run) in found.iter().zip(runs) {
        if names.iter().filter(|name| **name == run.name).count() > 1 {
            let above = found.folder.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
            run.name = format!("{above}/{}", run.name);
        }
    }
}

fn write_tables(folder: &Path, figures: &[Figure]) -> Result<Vec<PathBuf>, ReportError> {
    std::fs::create_dir_all(folder).map_err(|source| ReportError::File { path: folder.to_owned(), source })?;
    let mut written = Vec::new();
    for figure in figures.iter().filter(|figure| !figure.table.is_empty()) {
        let path = folder.join(format!("{}.csv", figure.name));
        write_file(&path, &figure.table.csv())?;
        written.push(path);
    }
    Ok(written)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    durable::write(path, bytes).map_err(|source| ReportError::File { path: path.to_owned(), source })
}
