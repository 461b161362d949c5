//! A checkpoint of random weights, of any published size: for measurements of speed and memory, which do not depend on what
//! a student knows.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use half::bf16;
use pupil_models::answer::{AnswerKind, Grader};
use pupil_models::bundle::{BundleError, BundleWriter, CONFIG, CONTRACT, TOKENIZER, WEIGHTS};
use pupil_models::config::StudentConfig;
use pupil_models::contract::{Budgets, CONTRACT_VERSION, ReasoningContract, StepRule};
use pupil_models::family::{self, WeightShape};
use pupil_models::tokenizer::{Tokenizer, TokenizerError};
use safetensors::tensor::Dtype;

use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::safetensors_writer::{SafetensorsWriter, TensorEntry};
use crate::train::initial_weight;
use crate::vocabulary::{self, VocabularyError};

/// Deviation of the weights in published students before training (Radford et al. 2019).
const DEVIATION: f64 = 0.02;

/// Why no random student was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RandomStudentError {
    /// The folder cannot be written.
    #[error("cannot write the student")]
    Bundle(#[from] BundleError),
    /// The weights cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The tokenizer cannot be made.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// The tokenizer that was given is another student's.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Somebody asked to stop.
    #[error("stopped before the student was complete, and none was written")]
    Interrupted,
}

/// Element type of the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightElement {
    /// 32-bit floats.
    #[default]
    Float32,
    /// The upper halves of 32-bit floats, as most checkpoints are published.
    BFloat16,
}

/// What is written.
#[derive(Debug)]
pub struct RandomStudentPlan<'a> {
    /// The architecture.
    pub config: &'a StudentConfig,
    /// From which every weight follows.
    pub seed: u64,
    /// Element type of the weights.
    pub element: WeightElement,
    /// A `tokenizer.json` to copy; a random one of the whole vocabulary if absent.
    pub tokenizer: Option<&'a Path>,
    /// The folder that will appear.
    pub target: &'a Path,
}

/// Writes the checkpoint, which holds the same bytes for the same plan; never more than some rows are in memory.
///
/// # Errors
/// [`RandomStudentError`]; nothing is left behind then.
pub fn write(plan: &RandomStudentPlan<'_>, interrupt: &Interrupt) -> Result<(), RandomStudentError> {
    let writer = BundleWriter::create(plan.target)?;
    writer.add(CONFIG, plan.config.to_json().as_bytes())?;
    writer.add(CONTRACT, contract().to_json().as_bytes())?;
    let tokenizer = writer.staging().join(TOKENIZER);
    if let Some(given) = plan.tokenizer {
        Tokenizer::read(given)?.check_fits(plan.config)?;
        writer.add_copy(TOKENIZER, given)?;
    } else {
        let eos_id = plan.config.eos_ids.first().copied().unwrap_or(0);
        vocabulary::write_random(plan.config.vocab_size, eos_id, plan.seed, &tokenizer)?;
    }
    write_weights(plan, &writer.staging().join(WEIGHTS), interrupt)?;
    writer.seal()?;
    Ok(())
}

/// A contract under which the student can be exported and asked, so that nobody has to write one for a measurement.
fn contract() -> ReasoningContract {
    ReasoningContract {
        version: CONTRACT_VERSION,
        prompt: "Q: {question}\nA:".to_owned(),
        answer_marker: Some("\nThe answer is ".to_owned()),
        step_rule: StepRule::Line,
        answer: AnswerKind::Text,
        grader: Grader::Robust,
        budgets: Budgets { rationale_tokens: 512, answer_tokens: 32 },
        stops: Vec::new(),
    }
}

fn write_weights(plan: &RandomStudentPlan<'_>, path: &Path, interrupt: &Interrupt) -> Result<(), RandomStudentError> {
    let failed = |source| RandomStudentError::Write { path: path.to_owned(), source };
    let table = family::weights(plan.config);
    let dtype = match plan.element {
        WeightElement::Float32 => Dtype::F32,
        WeightElement::BFloat16 => Dtype::BF16,
    };
    let entry = |weight: &WeightShape| TensorEntry { name: weight.name.clone(), dtype, shape: weight.shape.clone() };
    let entries: Vec<TensorEntry> = table.iter().map(entry).collect();
    let mut file = SafetensorsWriter::create(path, &entries).map_err(failed)?;
    let bar = Progress::new("weights", "tensors", table.len() as u64, 0);
    for weight in table.iter().enumerate() {
        if interrupt.is_requested() {
            return Err(RandomStudentError::Interrupted);
        }
        for value in initial_weight(plan.config, plan.seed, DEVIATION, weight) {
            let written = match plan.element {
                WeightElement::Float32 => file.write_all(&value.to_le_bytes()),
                WeightElement::BFloat16 => file.write_all(&bf16::from_f32(value).to_le_bytes()),
            };
            written.map_err(failed)?;
        }
        bar.advance();
    }
    bar.finish();
    file.finish().map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pupil_models::preset::Preset;

    use super::*;
    use crate::checkpoint::Checkpoint;

    #[test]
    fn it_is_a_checkpoint_and_the_same_seed_writes_the_same_bytes() {
        let root = tempfile::tempdir().unwrap();
        let config = Preset::Micro.config().unwrap();
        let write = |name: &str, seed: u64, element: WeightElement| {
            let target = root.path().join(name);
            write(
                &RandomStudentPlan { config: &config, seed, element, tokenizer: None, target: &target },
                &Interrupt::new(),
            )
            .unwrap();
            target
        };
        let [first, second, other] =
            [("first", 1), ("second", 1), ("other", 2)].map(|(name, seed)| write(name, seed, WeightElement::Float32));
        for name in [CONFIG, CONTRACT, TOKENIZER, WEIGHTS] {
            assert!(fs::read(first.join(name)).unwrap() == fs::read(second.join(name)).unwrap(), "{name}");
        }
        assert!(fs::read(first.join(WEIGHTS)).unwrap() != fs::read(other.join(WEIGHTS)).unwrap());
        let table = family::weights(&config);
        let values = |folder: &Path| Checkpoint::open(folder).unwrap().weights().flat_values(&table).unwrap();
        let narrow = values(&write("narrow", 1, WeightElement::BFloat16));
        let expected = values(&first).into_iter().map(|value| bf16::from_f32(value).to_f32());
        assert!(expected.eq(narrow));
    }

    #[test]
    fn a_tokenizer_of_another_student_is_refused_and_nothing_is_left() {
        let root = tempfile::tempdir().unwrap();
        let config = Preset::Micro.config().unwrap();
        let tokenizer = root.path().join("tokenizer.json");
        vocabulary::write_random(2000, 0, 1, &tokenizer).unwrap();
        let target = root.path().join("student");
        let plan = RandomStudentPlan {
            config: &config,
            seed: 1,
            element: WeightElement::Float32,
            tokenizer: Some(&tokenizer),
            target: &target,
        };
        let error = write(&plan, &Interrupt::new()).unwrap_err();
        assert!(matches!(error, RandomStudentError::Tokenizer(TokenizerError::DoesNotFit { .. })), "{error}");
        let interrupt = Interrupt::new();
        interrupt.request();
        let plan = RandomStudentPlan { tokenizer: None, ..plan };
        assert!(matches!(write(&plan, &interrupt), Err(RandomStudentError::Interrupted)));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
