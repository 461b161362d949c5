//! A run: the stages of an experiment in a folder, each done once.
//!
//! teach → filter → samples → train → export → eval. Every stage reads files and writes files; its record is written last.

mod data;
mod error;
mod estimate;
mod stage;
mod student;
mod teach;

use std::fs::File;
use std::path::PathBuf;

pub use error::PipelineError;
pub use estimate::{completions_failed, estimates};
pub use stage::StageRecord;

use pupil_models::durable;

use crate::eval::EvalReport;
use crate::experiment::Plan;
use crate::interrupt::Interrupt;
use crate::teacher::TeachOptions;

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
}

/// A run under way; it holds the folder's lock.
pub struct Run<'a> {
    plan: &'a Plan,
    interrupt: &'a Interrupt,
    watch: &'a mut dyn FnMut(Report),
    teach: TeachOptions,
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

    /// As [`Self::open`], with what the user says about the teachers.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        plan: &'a Plan,
        teach: TeachOptions,
        interrupt: &'a Interrupt,
        watch: &'a mut dyn FnMut(Report),
    ) -> Result<Self, PipelineError> {
        let failed = |path: &PathBuf, source| PipelineError::File { path: path.clone(), source };
        std::fs::create_dir_all(&plan.folder).map_err(|source| failed(&plan.folder, source))?;
        let path = plan.folder.join("lock");
        let lock = File::create(&path).map_err(|source| failed(&path, source))?;
        match lock.try_lock() {
            Ok(()) => {
                durable::remove_leftovers(&plan.folder).map_err(|source| failed(&plan.folder, source))?;
                Ok(Self { plan, interrupt, watch, teach, _lock: lock })
            }
            Err(std::fs::TryLockError::WouldBlock) => Err(PipelineError::Locked { folder: plan.folder.clone() }),
            Err(std::fs::TryLockError::Error(source)) => Err(failed(&path, source)),
        }
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
        self.plan.folder.join(name)
    }

    /// Does a stage's work unless its record, named `record`, says that it is done; `work` returns the record's counts.
    fn once(
        &mut self,
        name: StageName,
        record: &str,
        inputs: stage::Inputs,
        work: impl FnOnce(&mut Self, &stage::Stage<'_>) -> Result<Vec<(&'static str, f64)>, PipelineError>,
    ) -> Result<(), PipelineError> {
        let stage = stage::Stage::new(&self.plan.folder, record, inputs);
        if let stage::Standing::Done(record) = stage.standing()? {
            (self.watch)(Report::Finished { stage: name, record, earlier: true });
            return Ok(());
        }
        (self.watch)(Report::Started(name));
        let counts = work(self, &stage)?;
        let record = stage.finish(&counts)?;
        (self.watch)(Report::Finished { stage: name, record, earlier: false });
        Ok(())
    }
}
