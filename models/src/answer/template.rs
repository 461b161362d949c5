//! The prediction templates of the published method and the markers that announce their answers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::UnknownName;

/// A prediction template of the published method: decides where its grader looks for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishedTemplate {
    /// No template: the completion is the answer, as in the second step of two-step prompting.
    #[default]
    None,
    /// Zero-shot.
    Zs,
    /// Zero-shot-CoT, second step.
    ZsCot,
    /// Few-shot-CoT.
    FsCot,
    /// Vanilla fine-tuning: the target is the answer alone.
    FtToken,
    /// Fine-tune-CoT with `-->` before the answer.
    FtCotToken,
    /// Fine-tune-CoT with a sentence before the answer.
    FtCotNatural,
}

impl PublishedTemplate {
    const ALL: [Self; 7] =
        [Self::None, Self::Zs, Self::ZsCot, Self::FsCot, Self::FtToken, Self::FtCotToken, Self::FtCotNatural];

    /// The text that the published grader expects before the answer.
    ///
    /// That of [`Self::FtCotNatural`] has a comma which the published training targets lack, so it is never found there
    /// and grading falls back on the last candidate: the published behaviour, kept.
    #[must_use]
    pub fn marker(self) -> Option<&'static str> {
        match self {
            Self::None | Self::Zs | Self::ZsCot | Self::FtToken => None,
            Self::FsCot => Some("The answer is"),
            Self::FtCotToken => Some("-->"),
            Self::FtCotNatural => Some("Therefore, the answer is"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Zs => "zs",
            Self::ZsCot => "zs_cot",
            Self::FsCot => "fs_cot",
            Self::FtToken => "ft_token",
            Self::FtCotToken => "ft_cot_token",
            Self::FtCotNatural => "ft_cot_natural",
        }
    }
}

impl fmt::Display for PublishedTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for PublishedTemplate {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|template| template.name() == name);
        found.ok_or_else(|| UnknownName::new("prediction template", &Self::ALL.map(Self::name), name))
    }
}
