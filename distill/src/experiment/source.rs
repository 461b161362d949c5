//! `[[source]]`: where rationales come from.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::dataset::SplitReference;
use crate::teacher::Degree;
use crate::teacher::bundle::{BundleSource, Sampling};
use crate::teacher::openai::{Endpoint, Generation, Limits, OpenaiSource, Price, Prompting, Questions};
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
    /// A model behind an OpenAI-compatible endpoint.
    Openai(Box<OpenaiSource>),
    /// A model behind the OpenAI Batch API, by files.
    Batch(Box<OpenaiSource>),
    /// A bundle of ours.
    Bundle(Box<BundleSource>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TeacherName {
    Program,
    Recorded,
    Openai,
    Batch,
    Bundle,
}

impl TeacherName {
    /// The keys that this teacher knows.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Program => &["task", "questions", "seed", "items", "exclude"],
            Self::Recorded => &["data", "split", "completions", "degree"],
            Self::Openai => {
                &["data", "split", "degree", "endpoint", "prompting", "exemplars", "generation", "limits", "price"]
            }
            Self::Batch => &["data", "split", "degree", "endpoint", "prompting", "exemplars", "generation", "price"],
            Self::Bundle => &["data", "split", "degree", "bundle", "sampling", "workers"],
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Recorded => "recorded",
            Self::Openai => "openai",
            Self::Batch => "batch",
            Self::Bundle => "bundle",
        }
    }
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
    degree: Option<Degree>,
    endpoint: Option<Endpoint>,
    prompting: Option<Prompting>,
    exemplars: Option<PathBuf>,
    generation: Option<Generation>,
    limits: Option<Limits>,
    price: Option<Price>,
    bundle: Option<PathBuf>,
    sampling: Option<Sampling>,
    workers: Option<NonZeroUsize>,
}

impl TryFrom<SourceTable> for Source {
    type Error = String;

    fn try_from(table: SourceTable) -> Result<Self, String> {
        let teacher = table.teacher;
        if let Some(key) = table.given_keys().into_iter().find(|key| !teacher.keys().contains(key)) {
            let name = teacher.as_str();
            return Err(format!(
                "teacher `{name}`: expected no key `{key}`, which belongs to another teacher, found one"
            ));
        }
        match teacher {
            TeacherName::Program => Ok(Self::Program {
                task: given("task", teacher, table.task)?,
                questions: given("questions", teacher, table.questions)?,
                seed: table.seed.unwrap_or(0),
                items: table.items,
                exclude: table.exclude,
            }),
            TeacherName::Recorded => table.recorded(),
            TeacherName::Openai => Ok(Self::Openai(Box::new(table.openai()?))),
            TeacherName::Batch => {
                if let Some(Degree::Adaptive(_)) = table.degree {
                    return Err("teacher `batch`: expected a number as `degree`, found an adaptive one".to_owned());
                }
                Ok(Self::Batch(Box::new(table.openai()?)))
            }
            TeacherName::Bundle => Ok(Self::Bundle(Box::new(table.bundle()?))),
        }
    }
}

impl SourceTable {
    fn given_keys(&self) -> Vec<&'static str> {
        let keys = [
            ("task", self.task.is_some()),
            ("questions", self.questions.is_some()),
            ("seed", self.seed.is_some()),
            ("items", self.items.is_some()),
            ("exclude", self.exclude.is_some()),
            ("data", self.data.is_some()),
            ("split", self.split.is_some()),
            ("completions", self.completions.is_some()),
            ("degree", self.degree.is_some()),
            ("endpoint", self.endpoint.is_some()),
            ("prompting", self.prompting.is_some()),
            ("exemplars", self.exemplars.is_some()),
            ("generation", self.generation.is_some()),
            ("limits", self.limits.is_some()),
            ("price", self.price.is_some()),
            ("bundle", self.bundle.is_some()),
            ("sampling", self.sampling.is_some()),
            ("workers", self.workers.is_some()),
        ];
        keys.into_iter().filter(|(_, is_given)| *is_given).map(|(key, _)| key).collect()
    }

    fn recorded(self) -> Result<Source, String> {
        let degree = match self.degree.unwrap_or_default() {
            Degree::Fixed(degree) => degree,
            Degree::Adaptive(_) => {
                return Err("teacher `recorded`: expected a number as `degree`, found an adaptive one".to_owned());
            }
        };
        Ok(Source::Recorded {
            data: given("data", self.teacher, self.data)?,
            split: given("split", self.teacher, self.split)?,
            completions: given("completions", self.teacher, self.completions)?,
            degree,
        })
    }

    fn questions_asked(self) -> Result<Questions, String> {
        Ok(Questions {
            data: given("data", self.teacher, self.data)?,
            split: self.split,
            degree: self.degree.unwrap_or_default(),
        })
    }

    fn bundle(self) -> Result<BundleSource, String> {
        let source = BundleSource {
            bundle: given("bundle", self.teacher, self.bundle.clone())?,
            sampling: self.sampling.clone().unwrap_or_default(),
            workers: self.workers,
            questions: self.questions_asked()?,
        };
        source.check()?;
        Ok(source)
    }

    fn openai(self) -> Result<OpenaiSource, String> {
        Ok(OpenaiSource {
            endpoint: given("endpoint", self.teacher, self.endpoint.clone())?,
            prompting: self.prompting.unwrap_or_default(),
            exemplars: self.exemplars.clone(),
            generation: self.generation.clone().unwrap_or_default(),
            limits: self.limits.clone().unwrap_or_default(),
            price: self.price,
            questions: self.questions_asked()?,
        })
    }
}

fn given<T>(key: &str, teacher: TeacherName, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("teacher `{}`: expected the key `{key}`, found none", teacher.as_str()))
}
