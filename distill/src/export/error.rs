//! Why a checkpoint was not exported.

use pupil_models::bundle::{AnswerFlips, BundleError};
use pupil_runtime::{GenerateError, LoadError};

use super::parity::Tolerance;
use crate::quantize::QuantizeError;
use crate::student::StudentError;

/// Why a checkpoint was not exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The forward pass asks for a weight that the checkpoint lacks.
    #[error("checkpoint: expected a weight `{name}`, found none")]
    MissingWeight {
        /// The weight.
        name: String,
    },
    /// The forward pass asks for projections that an operation does not take.
    #[error("forward pass: expected {expected} projections of one activation, found {found}")]
    Projections {
        /// How many the operation takes.
        expected: usize,
        /// How many it was given.
        found: usize,
    },
    /// ONNX Runtime's attention cannot compute with this size.
    #[error("config `{key}`: expected {expected}, found {found}")]
    Size {
        /// Key in `config.json`.
        key: &'static str,
        /// What is accepted.
        expected: String,
        /// What the config says.
        found: usize,
    },
    /// The checkpoint or the bundle under construction is refused.
    #[error("cannot export")]
    Bundle(#[from] BundleError),
    /// A weight does not fit into the format.
    #[error("cannot store the weights")]
    Quantize(#[from] QuantizeError),
    /// The student that the graph is compared with cannot compute.
    #[error("cannot prove parity, and there is no bundle without it")]
    Reference(#[from] StudentError),
    /// ONNX Runtime refuses the graph.
    #[error("cannot load the constructed graph")]
    Load(#[from] LoadError),
    /// The runtime cannot complete a prompt.
    #[error("cannot complete the prompt of question `{question}`")]
    Generate {
        /// The question.
        question: String,
        /// Why.
        source: GenerateError,
    },
    /// There is nothing to compare on.
    #[error("parity needs questions: expected at least one, found none")]
    NoQuestions,
    /// The graph does not compute what libtorch computes.
    #[error("parity: expected {expected}, found {found}; no bundle was written")]
    Parity {
        /// The tolerance.
        expected: String,
        /// The measurement.
        found: String,
    },
    /// A form loses more accuracy than it may, or may have lost it.
    #[error(
        "form `{form}`: expected at most {within} of accuracy lost at the worst end of the 95 % interval, found {:.2} ({:+.2}, \
         {:.2} to {:.2}, on {} questions); no bundle was written",
        -answers.low_points, answers.difference_points, answers.low_points, answers.high_points, answers.questions
    )]
    Outside {
        /// The form.
        form: String,
        /// What it may lose.
        within: Tolerance,
        /// What it lost.
        answers: Box<AnswerFlips>,
    },
    /// No form could be shown to be inside the tolerance.
    #[error("gate: expected {} held-out questions, so that {within} can be shown, found {found}", at_least(*expected))]
    FewQuestions {
        /// What a form may lose.
        within: Tolerance,
        /// How many would do if not one answer turned.
        expected: Option<usize>,
        /// How many there are.
        found: usize,
    },
    /// Somebody asked to stop.
    #[error("stopped before the bundle was complete, and none was written; the same command continues from there")]
    Interrupted,
}

fn at_least(questions: Option<usize>) -> String {
    questions.map_or_else(|| "more than a million".to_owned(), |questions| format!("at least {questions}"))
}

impl ExportError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingWeight { .. } | Self::Projections { .. } => "E_ARCH_MISMATCH",
            Self::Size { .. } => "E_CONFIG_UNSUPPORTED",
            Self::Bundle(error) => error.code(),
            Self::Quantize(error) => error.code(),
            Self::Reference(_) => "E_NO_TORCH",
            Self::Load(_) | Self::Generate { .. } => "E_ORT",
            Self::NoQuestions => "E_NO_QUESTIONS",
            Self::Parity { .. } | Self::Outside { .. } => "E_PARITY",
            Self::FewQuestions { .. } => "E_FEW_QUESTIONS",
            Self::Interrupted => "E_INTERRUPTED",
        }
    }
}
