//! Verdicts and their reasons.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::SampleWeight;

/// Whether a rationale becomes a training sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Keep,
    /// It does, and counts less than others.
    Weigh {
        /// The factor of its loss.
        weight: SampleWeight,
        /// What there is against it; never empty.
        reasons: Vec<Reason>,
    },
    /// It does not.
    Reject(Reason),
}

impl Verdict {
    /// Whether the rationale becomes a training sample.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        !matches!(self, Self::Reject(_))
    }

    /// Why the rationale is rejected, or first of all counts less, if it is so.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        self.reasons().first()
    }

    /// All that the verdict rests on: why the rationale is rejected, or counts less.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Keep => &[],
            Self::Weigh { reasons, .. } => reasons,
            Self::Reject(reason) => std::slice::from_ref(reason),
        }
    }

    /// How much the rationale counts, if it becomes a training sample.
    #[must_use]
    pub fn weight(&self) -> SampleWeight {
        match self {
            Self::Weigh { weight, .. } => *weight,
            Self::Keep | Self::Reject(_) => SampleWeight::FULL,
        }
    }
}

/// Why a rationale is rejected, or counts less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// There is no reasoning to learn from.
    EmptyRationale,
    /// The grader found no answer in the completion.
    NoAnswer,
    /// The completion's answer is not the gold answer.
    WrongAnswer {
        /// The answer that the grader found.
        prediction: String,
    },
    /// The text that announces the answer is not there.
    NoMarker {
        /// What was looked for.
        marker: String,
    },
    /// The teacher did not come to an end.
    Truncated {
        /// How that shows.
        sign: String,
    },
    /// The teacher's content filter stepped in.
    ContentFilter,
    /// Fewer words or characters than allowed.
    TooShort {
        /// How many, of what.
        length: String,
    },
    /// More words or characters than allowed.
    TooLong {
        /// How many, of what.
        length: String,
    },
    /// The text says the same thing over and over.
    Repetition {
        /// What shows it.
        sign: String,
    },
    /// The same text as a completion of the same question that was kept.
    ExactDuplicate {
        /// Index of the kept completion.
        of: u32,
    },
    /// Nearly the same words as a completion of the same question that was kept.
    NearDuplicate {
        /// Index of the kept completion.
        of: u32,
        /// Jaccard similarity in per cent, rounded down.
        percent: u32,
    },
    /// Words of a test question.
    Contamination {
        /// Id of the test example.
        test: String,
    },
    /// An equation that does not hold.
    WrongArithmetic {
        /// The first one, as written.
        equation: String,
    },
    /// The end of the reasoning does not say the answer.
    Unsupported {
        /// The answer.
        answer: String,
    },
    /// The question is in Latin letters, the rationale mostly in others.
    OtherLanguage {
        /// Letters that are not Latin, in per cent.
        percent: u32,
    },
    /// The teacher does not answer.
    Refusal {
        /// The words that say so.
        phrase: String,
    },
    /// Hardly anything but the question again.
    Echo {
        /// Groups of words that come from the question, in per cent.
        percent: u32,
    },
    /// Not in the list of hand-checked rationales.
    NotListed,
}

impl Reason {
    /// Every code, in the order of the variants.
    pub const CODES: [&'static str; 18] = [
        "empty_rationale",
        "no_answer",
        "wrong_answer",
        "no_marker",
        "truncated",
        "content_filter",
        "too_short",
        "too_long",
        "repetition",
        "exact_duplicate",
        "near_duplicate",
        "contamination",
        "wrong_arithmetic",
        "unsupported",
        "other_language",
        "refusal",
        "echo",
        "not_listed",
    ];

    /// A stable code: the reason without its particulars.
    #[must_use]
    pub fn code(&self) -> &'static str {
        Self::CODES[match self {
            Self::EmptyRationale => 0,
            Self::NoAnswer => 1,
            Self::WrongAnswer { .. } => 2,
            Self::NoMarker { .. } => 3,
            Self::Truncated { .. } => 4,
            Self::ContentFilter => 5,
            Self::TooShort { .. } => 6,
            Self::TooLong { .. } => 7,
            Self::Repetition { .. } => 8,
            Self::ExactDuplicate { .. } => 9,
            Self::NearDuplicate { .. } => 10,
            Self::Contamination { .. } => 11,
            Self::WrongArithmetic { .. } => 12,
            Self::Unsupported { .. } => 13,
            Self::OtherLanguage { .. } => 14,
            Self::Refusal { .. } => 15,
            Self::Echo { .. } => 16,
            Self::NotListed => 17,
        }]
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.code().replace('_', " "))?;
        match self {
            Self::EmptyRationale | Self::NoAnswer | Self::ContentFilter | Self::NotListed => Ok(()),
            Self::WrongAnswer { prediction: detail }
            | Self::NoMarker { marker: detail }
            | Self::WrongArithmetic { equation: detail }
            | Self::Unsupported { answer: detail }
            | Self::Refusal { phrase: detail } => write!(formatter, " `{detail}`"),
            Self::Truncated { sign: detail }
            | Self::TooShort { length: detail }
            | Self::TooLong { length: detail }
            | Self::Repetition { sign: detail } => write!(formatter, ": {detail}"),
            Self::ExactDuplicate { of } => write!(formatter, " of #{of}"),
            Self::NearDuplicate { of, percent } => write!(formatter, " of #{of}: {percent} % of the groups of words"),
            Self::Contamination { test } => write!(formatter, " with the test example `{test}`"),
            Self::OtherLanguage { percent } => write!(formatter, ": {percent} % of the letters are not Latin"),
            Self::Echo { percent } => write!(formatter, ": {percent} % of the groups of words are the question's"),
        }
    }
}
