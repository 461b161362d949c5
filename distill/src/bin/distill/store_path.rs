//! Where the rationales of an experiment, a run or a file are.

use std::path::{Path, PathBuf};

use pupil_distill::experiment::Plan;

use crate::args::RunArgs;
use crate::run;

/// An experiment file, a run's folder, or a store.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    /// An experiment file, the folder of a run, or a store (`rationales.db`)
    #[arg(value_name = "EXPERIMENT|RUN|STORE")]
    pub(crate) of: PathBuf,
    /// Folder that holds the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
    /// Name of the run, instead of the experiment's
    #[arg(long)]
    pub(crate) name: Option<String>,
}

impl StoreArgs {
    /// The plan, where an experiment was named.
    pub(crate) fn plan(&self) -> anyhow::Result<Option<Plan>> {
        if self.of.extension().is_none_or(|extension| extension != "toml") {
            return Ok(None);
        }
        let (experiment, runs, name) = (self.of.clone(), self.runs.clone(), self.name.clone());
        Ok(Some(run::plan(&RunArgs { experiment, runs, name, vanilla: false, round: None })?))
    }

    /// The store of `plan`, or the one that was named.
    pub(crate) fn store(&self, plan: Option<&Plan>) -> PathBuf {
        match plan {
            Some(plan) => store_in(&plan.folder),
            None if self.of.is_dir() => store_in(&self.of),
            None => self.of.clone(),
        }
    }
}

/// The store in a run's folder.
pub(crate) fn store_in(folder: &Path) -> PathBuf {
    folder.join("rationales.db")
}

/// The stores of the shards below a run's folder, in the order of their numbers.
pub(crate) fn shards_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder.join("shards")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut stores = Vec::new();
    for entry in entries {
        let entry = entry?;
        let number =
            entry.file_name().to_string_lossy().split('-').next().and_then(|number| number.parse::<u32>().ok());
        let store = store_in(&entry.path());
        if store.exists() {
            stores.push((number, store));
        }
    }
    stores.sort();
    Ok(stores.into_iter().map(|(_, store)| store).collect())
}
