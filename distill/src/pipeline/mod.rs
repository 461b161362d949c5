//! A run: the stages of an experiment in a folder, each done once.
//!
//! teach → filter → samples → train → export → eval. Every stage reads files and writes files; its record is written last.

mod batch;
mod compare;
mod data;
mod error;
mod estimate;
mod explanation;
mod gate;
mod judging;
mod lesson;
mod measure;
mod stage;
mod student;
mod sweep;
mod teach;

use std::fs::File;
use std::path::{Path, PathBuf};

pub use batch::BatchWritten;
pub use compare::{Comparison, MethodPair, MethodResult, compare};
pub use error::PipelineError;
pub use estimate::{completions_failed, estimates};
pub use explanation::{Explanation, explain, rationales};
pub use measure::measure;
pub use stage::StageRecord;
pub use sweep::{SweepPlan, SweepReport, VariantReport, VariantState, sweep};

use pupil_models::durable;

use crate::eval::EvalReport;
use crate::experiment::Plan;
use crate::interrupt::Interrupt;
use crate::teacher::{Shard, TeachOptions};

/// The settings of the latest stage that was run, beside its results.
pub const EXPERIMENT: &str = "experiment.toml";

/// A stage of the pipeline, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageName {
    /// The teachers write rationales.
    Teach,
    /// Every rationale gets a verdict.
    Filter,
    /// Kept rationales become token ids and loss masks.
    Samples,
    /// The student learns.
    Train,
    /// The checkpoint becomes a bundle.
    Export,
    /// The bundle answers the questions of the test splits.
    Eval,
}

impl StageName {
    /// All stages, in order.
    pub const ALL: [Self; 6] = [Self::Teach, Self::Filter, Self::Samples, Self::Train, Self::Export, Self::Eval];

    /// The name in files and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Teach => "teach",
            Self::Filter => "filter",
            Self::Samples => "samples",
            Self::Train => "train",
            Self::Export => "export",
            Self::Eval => "eval",
        }
    }
}

/// What a stage reports to whoever watches the run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Report {
    /// A stage begins.
    Started(StageName),
    /// A stage ended, now or in an earlier run.
    Finished {
        /// The stage.
        stage: StageName,
        /// Its record.
        record: StageRecord,
        /// Whether it was done before.
        earlier: bool,
    },
    /// A student was measured.
    Evaluated {
        /// Name of the evaluation.
        name: String,
        /// The numbers.
        report: EvalReport,
    },
    /// Something that is no error but should be known.
    Note(String),
    /// A table for people, several lines.
    Table(String),
}

/// Makes a run's folder and locks it; it is free again once the file is dropped.
fn lock(folder: &Path) -> Result<File, PipelineError> {
    let failed = |path: &Path, source| PipelineError::File { path: path.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    let path = folder.join(durable::LOCK);
    let lock = File::create(&path).map_err(|source| failed(&path, source))?;
    match lock.try_lock() {
        Ok(()) => {
            durable::remove_leftovers(folder).map_err(|source| failed(folder, source))?;
            Ok(lock)
        }
        Err(std::fs::TryLockError::WouldBlock) => Err(PipelineError::Locked { folder: folder.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(&path, source)),
    }
}

/// Folder of the shards' folders.
const SHARDS: &str = "shards";

/// The folder of a run, or of one of its shards.
fn folder(plan: &Plan, shard: Option<Shard>) -> PathBuf {
    match shard {
        Some(shard) => plan.folder.join(SHARDS).join(shard.folder()),
        None => plan.folder.clone(),
    }
}

/// A run under way; it holds the folder's lock.
pub struct Run<'a> {
    plan: &'a Plan,
    interrupt: &'a Interrupt,
    watch: &'a mut dyn FnMut(Report),
    teach: TeachOptions,
    folder: PathBuf,
    _lock: File,
}

impl<'a> Run<'a> {
    /// Opens the run's folder and locks it.
    ///
    /// # Errors
    /// The folder cannot be made, or another process works in it.
    pub fn open(
        plan: &'a Plan,
        interrupt: &'a Interrupt,
        watch: &'a mut dyn FnMut(Report),
    ) -> Result<Self, PipelineError> {
        Self::open_with(plan, TeachOptions::default(), interrupt, watch)
    }

    /// As [`Self::open`], with what the user says about the teachers; a shard has a folder and a lock of its own.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        plan: &'a Plan,
        teach: TeachOptions,
        interrupt: &'a Interrupt,
        watch: &'a mut dyn FnMut(Report),
    ) -> Result<Self, PipelineError> {
        let folder = folder(plan, teach.shard);
        let lock = lock(&folder)?;
        Ok(Self { plan, interrupt, watch, teach, folder, _lock: lock })
    }

    /// Runs the stages up to and including `last`; those that are done are passed over.
    ///
    /// # Errors
    /// The first stage that fails; what was done before it stays.
    pub fn through(&mut self, last: StageName) -> Result<(), PipelineError> {
        if last == StageName::Eval {
            self.require_test_data()?;
        }
        for stage in StageName::ALL.into_iter().filter(|&stage| stage <= last) {
            if self.interrupt.is_requested() {
                return Err(PipelineError::Interrupted { stage: stage.as_str() });
            }
            match stage {
                StageName::Teach => self.teach()?,
                StageName::Filter => self.filter()?,
                StageName::Samples => self.samples()?,
                StageName::Train => self.train()?,
                StageName::Export => self.export()?,
                StageName::Eval => self.eval()?,
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Lets a stage be done again that was finished with other inputs.
    fn accept(&mut self, record: &str, inputs: &stage::Inputs) -> Result<(), PipelineError> {
        let stage = stage::Stage::new(&self.folder, record, inputs.clone());
        if let Some(differing) = stage.reopen()? {
            (self.watch)(Report::Note(format!("stage `{record}` goes on with other inputs: `{differing}`")));
        }
        Ok(())
    }

    fn record_experiment(&self) -> Result<(), PipelineError> {
        let path = self.path(EXPERIMENT);
        // An experiment is made of what TOML was read into, which serialises again.
        let text = toml::to_string(&self.plan.experiment).unwrap_or_default();
        durable::write(&path, text.as_bytes()).map_err(|source| PipelineError::File { path, source })
    }

    /// Does a stage's work unless its record, named `record`, says that it is done; `work` returns the record's counts.
    fn once<Name: AsRef<str>>(
        &mut self,
        name: StageName,
        record: &str,
        inputs: stage::Inputs,
        work: impl FnOnce(&mut Self, &stage::Stage<'_>) -> Result<Vec<(Name, f64)>, PipelineError>,
    ) -> Result<(), PipelineError> {
        let stage = stage::Stage::new(&self.folder, record, inputs);
        if let stage::Standing::Done(record) = stage.standing()? {
            (self.watch)(Report::Finished { stage: name, record, earlier: true });
            return Ok(());
        }
        (self.watch)(Report::Started(name));
        let counts = work(self, &stage)?;
        let record = stage.finish(&counts)?;
        // After the stage, so that settings which a finished stage refuses never stand beside its results.
        self.record_experiment()?;
        (self.watch)(Report::Finished { stage: name, record, earlier: false });
        Ok(())
    }
}
