//! Training samples: token ids with a loss mask that covers the completion and its end, never the prompt; and a weight.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use pupil_models::contract::ReasoningContract;
use pupil_models::durable;
use pupil_models::tokenizer::{Tokenizer, TokenizerError};
use serde::{Deserialize, Serialize};

use crate::filter::SampleWeight;

/// Why training samples cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The tokenizer failed.
    #[error("cannot encode rationale `{id}`")]
    Encode {
        /// Id of the rationale.
        id: String,
        /// Why.
        source: TokenizerError,
    },
    /// Nothing is left to train on.
    #[error(
        "no training sample fits: expected at most {context_tokens} tokens, found {found} or more in each of {count} rationales"
    )]
    NoneFits {
        /// The student's context.
        context_tokens: usize,
        /// The shortest sample.
        found: usize,
        /// How many were tried.
        count: usize,
    },
    /// The file cannot be read or written.
    #[error("cannot use the samples file `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A row is not a sample.
    #[error("samples file `{path}`, line {line}: expected a training sample, found {found}")]
    Row {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What the parser met.
        found: String,
    },
}

/// Token ids of one kept rationale, and where learning begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSample {
    /// Id of the rationale.
    pub id: String,
    /// Prompt, completion and end token.
    pub ids: Vec<u32>,
    /// Length of the prompt: the loss covers every token after it.
    pub prompt_tokens: usize,
    /// The factor of that loss.
    #[serde(default, skip_serializing_if = "SampleWeight::is_full")]
    pub weight: SampleWeight,
}

impl TrainingSample {
    /// Encodes a question with its rationale and gold answer under `contract`.
    ///
    /// Prompt and completion are encoded apart and joined, because the runtime encodes the prompt alone: the first token of
    /// the completion must not depend on a merge across the border.
    ///
    /// # Errors
    /// The tokenizer failed.
    pub fn encode(
        contract: &ReasoningContract,
        tokenizer: &Tokenizer,
        end: u32,
        rationale: &KeptRationale<'_>,
    ) -> Result<Self, SampleError> {
        let failed = |source| SampleError::Encode { id: rationale.id.to_owned(), source };
        let mut ids = tokenizer.encode(&contract.prompt(rationale.question)).map_err(failed)?;
        let prompt_tokens = ids.len();
        ids.extend(tokenizer.encode(&contract.completion(rationale.rationale, rationale.gold)).map_err(failed)?);
        ids.push(end);
        Ok(Self { id: rationale.id.to_owned(), ids, prompt_tokens, weight: rationale.weight })
    }

    /// Number of tokens that the loss covers.
    #[must_use]
    pub fn target_tokens(&self) -> usize {
        self.ids.len() - self.prompt_tokens
    }

    /// Tokens that the loss covers, times the sample's weight: what a mean over samples divides by.
    #[must_use]
    pub fn weighed_tokens(&self) -> f64 {
        self.weight.get() * self.target_tokens() as f64
    }

    /// The sample as text: what the student is given, then between `⟦` and `⟧` what it learns to write; a bare `⏎` stands
    /// for the end token.
    ///
    /// # Errors
    /// The tokenizer failed.
    pub fn show(&self, tokenizer: &Tokenizer) -> Result<String, TokenizerError> {
        let prompt = tokenizer.decode(&self.ids[..self.prompt_tokens])?;
        let completion = tokenizer.decode(&self.ids[self.prompt_tokens..])?;
        Ok(format!("{prompt}⟦{completion}⏎⟧"))
    }
}

/// What a sample is made of.
#[derive(Clone, Copy, Debug)]
pub struct KeptRationale<'a> {
    /// Id of the rationale.
    pub id: &'a str,
    /// The example's question.
    pub question: &'a str,
    /// The teacher's rationale.
    pub rationale: &'a str,
    /// The dataset's answer.
    pub gold: &'a str,
    /// How much it counts.
    pub weight: SampleWeight,
}

/// Samples that fit a student's context, and how many did not.
#[derive(Clone, Debug, Default)]
pub struct SampleSet {
    /// The samples, in the order of the rationales.
    pub samples: Vec<TrainingSample>,
    /// Rationales left out because they are longer than the context.
    pub too_long: usize,
}

/// Encodes every kept rationale; those longer than `context_tokens` are left out and counted.
///
/// # Errors
/// The tokenizer failed, or nothing fits.
pub fn encode_all<'a>(
    contract: &ReasoningContract,
    tokenizer: &Tokenizer,
    end: u32,
    context_tokens: usize,
    rationales: impl Iterator<Item = KeptRationale<'a>>,
) -> Result<SampleSet, SampleError> {
    let mut set = SampleSet::default();
    let mut shortest = usize::MAX;
    for rationale in rationales {
        let sample = TrainingSample::encode(contract, tokenizer, end, &rationale)?;
        shortest = shortest.min(sample.ids.len());
        if sample.ids.len() <= context_tokens {
            set.samples.push(sample);
        } else {
            set.too_long += 1;
        }
    }
    if set.samples.is_empty() {
        let found = if shortest == usize::MAX { 0 } else { shortest };
        return Err(SampleError::NoneFits { context_tokens, found, count: set.too_long });
    }
    Ok(set)
}

/// Writes samples as JSON lines.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, samples: &[TrainingSample]) -> Result<(), SampleError> {
    durable::write_with(path, |file| {
        let mut writer = std::io::BufWriter::new(file);
        for sample in samples {
            serde_json::to_writer(&mut writer, sample)?;
            writer.write_all(b"\n")?;
        }
        writer.flush()
    })
    .map_err(|source| SampleError::File { path: path.to_owned(), source })
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// The file cannot be read, or a row is not a sample; the line is named.
pub fn read(path: &Path) -> Result<Vec<TrainingSample>, SampleError> {
    let failed = |source| SampleError::File { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut samples = Vec::new();
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let refuse = |found| SampleError::Row { path: path.to_owned(), line: index + 1, found };
        let sample: TrainingSample =
            serde_json::from_str(&line.map_err(failed)?).map_err(|error| refuse(error.to_string()))?;
        if sample.prompt_tokens == 0 || sample.prompt_tokens >= sample.ids.len() {
            return Err(refuse(format!("{} prompt tokens of {}", sample.prompt_tokens, sample.ids.len())));
        }
        samples.push(sample);
    }
    Ok(samples)
}
