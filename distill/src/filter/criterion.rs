//! What an experiment file says about which rationales are kept.

use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize};

use crate::dataset::SplitReference;

/// One thing that is asked of every rationale: a name such as `"answer"`, or a table such as `{ length = { most_words = 400 } }`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Criterion {
    /// There is some reasoning.
    Rationale,
    /// The grader finds an answer, and it is the gold answer.
    Answer,
    /// The grader finds an answer, right or wrong.
    AnswerGiven,
    /// The answer marker is there; an answer that came in a second step needs none.
    Marker,
    /// The teacher came to an end.
    Truncated,
    /// The teacher's content filter did not step in.
    ContentFilter,
    /// As long as wished.
    Length(Length),
    /// It does not say the same thing over and over.
    Repetition,
    /// No other kept completion of the question has the same text.
    ExactDuplicate,
    /// No other kept completion of the question has nearly the same words.
    NearDuplicate(NearDuplicate),
    /// It holds no words of test questions.
    Contamination(Contamination),
    /// Every equation in it holds.
    Arithmetic,
    /// Its end says the answer.
    Support,
    /// It is in the question's script, where that is Latin.
    Language,
    /// The teacher does not refuse.
    Refusal,
    /// It is more than the question again.
    Echo,
    /// It is in this list: one id a line, of a completion (`coin_flip/12#0`) or of an example, all of whose completions count.
    HandChecked(PathBuf),
}

/// Limits of a rationale's length; those that are absent do not limit. Words are parted by white space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Length {
    /// Fewest words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_words: Option<usize>,
    /// Most words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_words: Option<usize>,
    /// Fewest characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_characters: Option<usize>,
    /// Most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_characters: Option<usize>,
}

/// When two rationales count as nearly the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NearDuplicate {
    /// Least Jaccard similarity of the sets of groups of three words, above 0, at most 1.
    pub jaccard: f64,
}

impl Default for NearDuplicate {
    fn default() -> Self {
        Self { jaccard: 0.9 }
    }
}

/// The test questions that no rationale may quote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contamination {
    /// The dataset.
    pub data: PathBuf,
    /// Which of its examples; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitReference>,
    /// Words in a row that count as a quotation.
    #[serde(default = "published_words")]
    pub ngram: usize,
}

/// As the large models' own reports count contamination (Brown et al., 2020).
fn published_words() -> usize {
    13
}

impl Criterion {
    /// The published filter: some reasoning, and the right answer.
    #[must_use]
    pub fn published() -> Vec<Self> {
        vec![Self::Rationale, Self::Answer]
    }

    /// The name in experiment files.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rationale => "rationale",
            Self::Answer => "answer",
            Self::AnswerGiven => "answer_given",
            Self::Marker => "marker",
            Self::Truncated => "truncated",
            Self::ContentFilter => "content_filter",
            Self::Length(_) => "length",
            Self::Repetition => "repetition",
            Self::ExactDuplicate => "exact_duplicate",
            Self::NearDuplicate(_) => "near_duplicate",
            Self::Contamination(_) => "contamination",
            Self::Arithmetic => "arithmetic",
            Self::Support => "support",
            Self::Language => "language",
            Self::Refusal => "refusal",
            Self::Echo => "echo",
            Self::HandChecked(_) => "hand_checked",
        }
    }

    /// Codes of the reasons that this criterion can give.
    #[must_use]
    pub fn codes(&self) -> &'static [&'static str] {
        match self {
            Self::Rationale => &["empty_rationale"],
            Self::Answer => &["no_answer", "wrong_answer"],
            Self::AnswerGiven => &["no_answer"],
            Self::Marker => &["no_marker"],
            Self::Truncated => &["truncated"],
            Self::ContentFilter => &["content_filter"],
            Self::Length(_) => &["too_short", "too_long"],
            Self::Repetition => &["repetition"],
            Self::ExactDuplicate => &["exact_duplicate"],
            Self::NearDuplicate(_) => &["near_duplicate"],
            Self::Contamination(_) => &["contamination"],
            Self::Arithmetic => &["wrong_arithmetic"],
            Self::Support => &["unsupported"],
            Self::Language => &["other_language"],
            Self::Refusal => &["refusal"],
            Self::Echo => &["echo"],
            Self::HandChecked(_) => &["not_listed"],
        }
    }

    /// What is wrong with the values, as *expected* and *found*.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, String)> {
        match self {
            Self::NearDuplicate(near) if !(near.jaccard > 0.0 && near.jaccard <= 1.0) => {
                Some(("`jaccard` above 0, at most 1", near.jaccard.to_string()))
            }
            Self::Contamination(test) if test.ngram < 2 => Some(("`ngram` from 2", test.ngram.to_string())),
            Self::Length(length) if *length == Length::default() => Some(("a limit of `length`", "none".to_owned())),
            _ => None,
        }
    }

    /// The same criterion with its paths relative to the folder `base`.
    #[must_use]
    pub fn resolved(&self, base: &Path) -> Self {
        match self.clone() {
            Self::Contamination(mut test) => {
                test.data = base.join(&test.data);
                test.split = test.split.map(|split| SplitReference { path: base.join(split.path), name: split.name });
                Self::Contamination(test)
            }
            Self::HandChecked(path) => Self::HandChecked(base.join(path)),
            other => other,
        }
    }

    /// Files that decide what the criterion says.
    #[must_use]
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Self::Contamination(test) => {
                let split = test.split.as_ref().map(|split| split.path.as_path());
                std::iter::once(test.data.as_path()).chain(split).collect()
            }
            Self::HandChecked(path) => vec![path],
            _ => Vec::new(),
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        Ok(match name {
            "rationale" => Self::Rationale,
            "answer" => Self::Answer,
            "answer_given" => Self::AnswerGiven,
            "marker" => Self::Marker,
            "truncated" => Self::Truncated,
            "content_filter" => Self::ContentFilter,
            "repetition" => Self::Repetition,
            "exact_duplicate" => Self::ExactDuplicate,
            "near_duplicate" => Self::NearDuplicate(NearDuplicate::default()),
            "arithmetic" => Self::Arithmetic,
            "support" => Self::Support,
            "language" => Self::Language,
            "refusal" => Self::Refusal,
            "echo" => Self::Echo,
            "length" | "contamination" | "hand_checked" => {
                return Err(format!("criterion `{name}`: expected a table `{{ {name} = … }}`, found the name alone"));
            }
            _ => return Err(format!("unknown criterion `{name}`: expected one of {}", NAMES.join(", "))),
        })
    }
}

const NAMES: [&str; 17] = [
    "`rationale`",
    "`answer`",
    "`answer_given`",
    "`marker`",
    "`truncated`",
    "`content_filter`",
    "`length`",
    "`repetition`",
    "`exact_duplicate`",
    "`near_duplicate`",
    "`contamination`",
    "`arithmetic`",
    "`support`",
    "`language`",
    "`refusal`",
    "`echo`",
    "`hand_checked`",
];

/// The criteria that have values.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Table {
    Length(Length),
    NearDuplicate(NearDuplicate),
    Contamination(Contamination),
    HandChecked(PathBuf),
}

impl<'de> Deserialize<'de> for Criterion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> serde::de::Visitor<'de> for Written {
            type Value = Criterion;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a criterion's name, or a table with its values")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Criterion, E> {
                Criterion::named(name).map_err(E::custom)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Criterion, A::Error> {
                Ok(match Table::deserialize(MapAccessDeserializer::new(map))? {
                    Table::Length(length) => Criterion::Length(length),
                    Table::NearDuplicate(near) => Criterion::NearDuplicate(near),
                    Table::Contamination(test) => Criterion::Contamination(test),
                    Table::HandChecked(path) => Criterion::HandChecked(path),
                })
            }
        }
        deserializer.deserialize_any(Written)
    }
}
