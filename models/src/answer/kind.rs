//! What the answers of a task look like.

use serde::{Deserialize, Serialize};

/// What the answers of a task look like. Written as `{"kind": "choice", "last": "E"}`, `{"kind": "number"}` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "RawKind", try_from = "RawKind")]
pub enum AnswerKind {
    /// A number, compared by value within 1e-6.
    Number,
    /// A whole number, compared as written (published) or as a normalised decimal (robust).
    Integer,
    /// One capital letter from `A` to `last`.
    Choice {
        /// The last letter of the options, `A` to `Z`.
        last: char,
    },
    /// `yes` or `no`.
    YesNo,
    /// One word of joined letters, case-sensitive.
    Letters,
    /// Free text, compared without regard to case, outer quotes and a final full stop. Not in the published method.
    Text,
}

/// Why a description of an answer kind is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnswerKind {
    /// `last` is not a capital letter.
    #[error("last option of `choice`: expected a letter from `A` to `Z`, found `{0}`")]
    Last(char),
    /// A choice that does not say its last letter.
    #[error("answer kind `choice`: expected a key `last` such as \"E\", found none")]
    LastMissing,
    /// Another kind with the key of a choice.
    #[error("answer kind other than `choice`: expected no key `last`, found `{0}`")]
    LastUnexpected(char),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    Number,
    Integer,
    Choice,
    YesNo,
    Letters,
    Text,
}

/// The written form. A tagged enum would let unknown keys of its unit variants pass.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKind {
    kind: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<char>,
}

impl From<AnswerKind> for RawKind {
    fn from(kind: AnswerKind) -> Self {
        let (kind, last) = match kind {
            AnswerKind::Number => (Name::Number, None),
            AnswerKind::Integer => (Name::Integer, None),
            AnswerKind::Choice { last } => (Name::Choice, Some(last)),
            AnswerKind::YesNo => (Name::YesNo, None),
            AnswerKind::Letters => (Name::Letters, None),
            AnswerKind::Text => (Name::Text, None),
        };
        Self { kind, last }
    }
}

impl TryFrom<RawKind> for AnswerKind {
    type Error = InvalidAnswerKind;

    fn try_from(raw: RawKind) -> Result<Self, InvalidAnswerKind> {
        let kind = match (raw.kind, raw.last) {
            (Name::Choice, Some(last)) if last.is_ascii_uppercase() => return Ok(Self::Choice { last }),
            (Name::Choice, Some(last)) => return Err(InvalidAnswerKind::Last(last)),
            (Name::Choice, None) => return Err(InvalidAnswerKind::LastMissing),
            (_, Some(last)) => return Err(InvalidAnswerKind::LastUnexpected(last)),
            (Name::Number, None) => Self::Number,
            (Name::Integer, None) => Self::Integer,
            (Name::YesNo, None) => Self::YesNo,
            (Name::Letters, None) => Self::Letters,
            (Name::Text, None) => Self::Text,
        };
        Ok(kind)
    }
}
