//! `[[source]]`: where rationales come from.

use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::dataset::SplitReference;
use crate::teacher::program::{Items, ProgramTask};

/// Where rationales come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "teacher", rename_all = "snake_case", try_from = "SourceTable")]
pub enum Source {
    /// A program writes questions and rationales.
    Program {
        /// The task.
        task: ProgramTask,
        /// How many questions.
        questions: usize,
        /// Key of the questions; 0 if absent.
        seed: u64,
        /// Least and most people, words or swaps in a question; as in the published questions if absent.
        items: Option<Items>,
        /// File of fingerprints of questions that must not be generated.
        exclude: Option<PathBuf>,
    },
    /// Completions that a large model wrote earlier.
    Recorded {
        /// The dataset.
        data: PathBuf,
        /// Which of its examples.
        split: SplitReference,
        /// The recorded completions.
        completions: PathBuf,
        /// Completions per example: the degree D of diverse reasoning; 1 if absent.
        degree: NonZeroU32,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TeacherName {
    Program,
    Recorded,
}

/// A source as typed: the keys of all teachers in one struct, because an enum read by its tag would forget on which line
/// an unknown key stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceTable {
    teacher: TeacherName,
    task: Option<ProgramTask>,
    questions: Option<usize>,
    seed: Option<u64>,
    items: Option<Items>,
    exclude: Option<PathBuf>,
    data: Option<PathBuf>,
    split: Option<SplitReference>,
    completions: Option<PathBuf>,
    degree: Option<NonZeroU32>,
}

impl TryFrom<SourceTable> for Source {
    type Error = String;

    fn try_from(table: SourceTable) -> Result<Self, String> {
        let SourceTable { teacher, task, questions, seed, items, exclude, data, split, completions, degree } = table;
        match teacher {
            TeacherName::Program => {
                absent("data", "program", data.as_ref())?;
                absent("split", "program", split.as_ref())?;
                absent("completions", "program", completions.as_ref())?;
                absent("degree", "program", degree.as_ref())?;
                let (task, questions) = (given("task", "program", task)?, given("questions", "program", questions)?);
                Ok(Self::Program { task, questions, seed: seed.unwrap_or(0), items, exclude })
            }
            TeacherName::Recorded => {
                absent("task", "recorded", task.as_ref())?;
                absent("questions", "recorded", questions.as_ref())?;
                absent("seed", "recorded", seed.as_ref())?;
                absent("items", "recorded", items.as_ref())?;
                absent("exclude", "recorded", exclude.as_ref())?;
                Ok(Self::Recorded {
                    data: given("data", "recorded", data)?,
                    split: given("split", "recorded", split)?,
                    completions: given("completions", "recorded", completions)?,
                    degree: degree.unwrap_or(NonZeroU32::MIN),
                })
            }
        }
    }
}

fn given<T>(key: &str, teacher: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("teacher `{teacher}`: expected the key `{key}`, found none"))
}

fn absent<T>(key: &str, teacher: &str, value: Option<&T>) -> Result<(), String> {
    match value {
        None => Ok(()),
        Some(_) => {
            Err(format!("teacher `{teacher}`: expected no key `{key}`, which belongs to another teacher, found one"))
        }
    }
}
