//! Why a run stopped.

use std::path::PathBuf;

use crate::dataset::DatasetError;
use crate::eval::EvalError;
use crate::export::ExportError;
use crate::filter::FilterError;
use crate::rationale::RationaleError;
use crate::sample::SampleError;
use crate::teacher::TeachError;
use crate::train::TrainError;
use crate::vocabulary::VocabularyError;

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A file cannot be read or written.
    #[error("cannot use `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process works on the run.
    #[error("run `{folder}` is locked: expected to be its only process, found another one")]
    Locked {
        /// The run's folder.
        folder: PathBuf,
    },
    /// A stage record is damaged.
    #[error("stage record `{path}` is not valid: {found}")]
    Record {
        /// The record.
        path: PathBuf,
        /// What the parser met.
        found: String,
    },
    /// A finished stage had other inputs.
    #[error(
        "stage `{stage}` was finished with other inputs: expected those in `{path}`, found a difference in `{differing}`"
    )]
    OtherInputs {
        /// The stage.
        stage: String,
        /// Its record.
        path: PathBuf,
        /// Names of the inputs that differ.
        differing: String,
    },
    /// No rationale was kept.
    #[error("nothing to train on: expected at least one kept rationale, found none among {total}")]
    NothingKept {
        /// Rationales that were judged.
        total: usize,
    },
    /// Fewer rationales were kept than the student is to be trained on.
    #[error("`training_rationales`: expected at most the {found} that were kept, found {wanted}")]
    TooFewKept {
        /// How many are wanted.
        wanted: usize,
        /// How many were kept.
        found: usize,
    },
    /// Reading a dataset.
    #[error("cannot read the examples")]
    Dataset(#[from] DatasetError),
    /// Teaching.
    #[error("cannot teach")]
    Teach(#[from] TeachError),
    /// The filter.
    #[error("cannot filter the rationales")]
    Filter(#[from] FilterError),
    /// No finished completion has this id.
    #[error("store `{store}`: expected a finished completion `{id}`, such as `coin_flip/12#0`, found none")]
    NoCompletion {
        /// The store.
        store: PathBuf,
        /// What was asked for.
        id: String,
    },
    /// The filter cannot run again.
    #[error("cannot judge again in `{folder}`: expected a run without training, found one")]
    AlreadyTrained {
        /// The run's folder.
        folder: PathBuf,
    },
    /// The rationale file.
    #[error(transparent)]
    Rationale(#[from] RationaleError),
    /// The tokenizer.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// A tokenizer or checkpoint.
    #[error(transparent)]
    Bundle(#[from] pupil_models::bundle::BundleError),
    /// The training samples.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The training loop.
    #[error("cannot train")]
    Train(#[from] TrainError),
    /// The export.
    #[error("cannot export the student")]
    Export(#[from] ExportError),
    /// The form of a student is to be chosen by a question of its test.
    #[error("`export.data`: expected questions that no test asks, found `{id}`, which one does")]
    ChoiceOnTest {
        /// The example.
        id: String,
    },
    /// The runtime refuses the bundle.
    #[error("cannot open the student")]
    Load(#[from] pupil_runtime::LoadError),
    /// The evaluation.
    #[error("cannot evaluate the student")]
    Eval(#[from] EvalError),
    /// Somebody asked to stop.
    #[error("stopped before stage `{stage}`; the same command continues from there")]
    Interrupted {
        /// The next stage.
        stage: &'static str,
    },
}

impl PipelineError {
    /// Whether the run was stopped on request, not by a fault.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        if let Self::Teach(error) = self {
            return error.is_interruption();
        }
        matches!(
            self,
            Self::Interrupted { .. }
                | Self::Train(TrainError::Interrupted { .. })
                | Self::Export(ExportError::Interrupted)
                | Self::Eval(EvalError::Interrupted { .. })
        )
    }

    /// Whether the run was stopped by a limit of the user's own.
    #[must_use]
    pub fn is_budget(&self) -> bool {
        matches!(self, Self::Teach(error) if error.is_budget())
    }
}
