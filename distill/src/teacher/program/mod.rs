//! A teacher that is a program: it makes questions of three symbolic tasks in the published wording and writes a correct
//! rationale for each, one step a line.
//!
//! Every question is a function of task, seed and index, so a longer run extends a shorter one.

mod coin_flip;
mod draw;
mod exclusions;
mod last_letters;
mod names;
mod tracking;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::dataset::Example;
use crate::rationale::RationaleRow;

use super::{Completion, Finish, TeachError};
use draw::Draw;

pub use exclusions::Exclusions;

/// So many draws in a row without a new question mean that the grammar has no more.
const FRUITLESS_DRAWS: usize = 10_000;

/// A task whose rationales a program can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramTask {
    /// Whether a coin is still heads up.
    CoinFlip,
    /// The last letters of some names.
    LastLetterConcatenation,
    /// What one of three people holds after swaps.
    TrackingShuffledObjects,
}

impl ProgramTask {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::CoinFlip, Self::LastLetterConcatenation, Self::TrackingShuffledObjects];

    /// The task's key in data files.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::CoinFlip => "coin_flip",
            Self::LastLetterConcatenation => "last_letter_concatenation",
            Self::TrackingShuffledObjects => "tracking_shuffled_objects",
        }
    }

    /// How many items the published questions have: people who meet the coin, words, or swaps.
    #[must_use]
    pub fn published_items(self) -> usize {
        match self {
            Self::CoinFlip | Self::LastLetterConcatenation => 4,
            Self::TrackingShuffledObjects => 3,
        }
    }

    fn problem(self, draw: &mut Draw, items: usize) -> Problem {
        match self {
            Self::CoinFlip => coin_flip::problem(draw, items),
            Self::LastLetterConcatenation => last_letters::problem(draw, items),
            Self::TrackingShuffledObjects => tracking::problem(draw, items),
        }
    }
}

impl fmt::Display for ProgramTask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.key())
    }
}

impl FromStr for ProgramTask {
    type Err = TeachError;

    fn from_str(key: &str) -> Result<Self, TeachError> {
        Self::ALL.into_iter().find(|task| task.key() == key).ok_or_else(|| TeachError::UnknownTask {
            expected: Self::ALL.map(|task| format!("`{task}`")).join(", "),
            found: key.to_owned(),
        })
    }
}

/// A question with the steps that lead to its answer.
struct Problem {
    question: String,
    steps: Vec<String>,
    gold: String,
}

/// Makes questions of one task and teaches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramTeacher {
    /// The task.
    pub task: ProgramTask,
    /// Another seed gives other questions.
    pub seed: u64,
    /// How many items a question has: people who meet the coin, words, or swaps.
    pub items: Items,
}

/// A range of numbers of items, both ends included; every number in it is as likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "[usize; 2]", into = "[usize; 2]")]
pub struct Items {
    least: usize,
    most: usize,
}

impl Items {
    /// Always `count` items; none is raised to one.
    #[must_use]
    pub fn exactly(count: usize) -> Self {
        Self { least: count.max(1), most: count.max(1) }
    }
}

impl TryFrom<[usize; 2]> for Items {
    type Error = String;

    fn try_from([least, most]: [usize; 2]) -> Result<Self, String> {
        // Twenty is far beyond what a small student follows, and keeps a question within any context.
        if 1 <= least && least <= most && most <= 20 {
            return Ok(Self { least, most });
        }
        Err(format!("expected two numbers from 1 to 20, the smaller one first, found [{least}, {most}]"))
    }
}

impl From<Items> for [usize; 2] {
    fn from(items: Items) -> Self {
        [items.least, items.most]
    }
}

impl ProgramTeacher {
    /// The name that rationales of this teacher carry.
    pub const NAME: &'static str = "program";

    /// `count` examples with one completion each. No question is in `exclude`, and no two are the same; questions that
    /// differ only in white space count as the same.
    ///
    /// The ids are `<task>/program-<seed>-<index>`. The completion's prediction is the gold answer.
    ///
    /// # Errors
    /// The grammar has fewer questions than `count` outside `exclude`.
    pub fn generate(&self, count: usize, exclude: &Exclusions) -> Result<Vec<(Example, Completion)>, TeachError> {
        let mut taught = Vec::with_capacity(count);
        let mut used = Exclusions::default();
        let mut fruitless = 0;
        for index in 0_u64.. {
            if taught.len() == count {
                break;
            }
            let problem = self.problem(index);
            if !exclude.contains(&problem.question) && used.insert(&problem.question) {
                fruitless = 0;
                taught.push(self.taught(index, problem));
            } else if fruitless == FRUITLESS_DRAWS {
                return Err(TeachError::Exhausted { task: self.task.key(), expected: count, found: taught.len() });
            } else {
                fruitless += 1;
            }
        }
        Ok(taught)
    }

    /// [`Self::generate`] as rows of a rationale file.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub fn rationales(&self, count: usize, exclude: &Exclusions) -> Result<Vec<RationaleRow>, TeachError> {
        let taught = self.generate(count, exclude)?.into_iter();
        let row = |(example, completion)| RationaleRow { example, teacher: Self::NAME.to_owned(), completion };
        Ok(taught.map(row).collect())
    }

    fn problem(&self, index: u64) -> Problem {
        let task = self.task.key().bytes().map(u64::from);
        let key: Vec<u64> = task.chain([self.seed, index]).collect();
        let mut draw = Draw::new(&key);
        let items = draw.between(self.items.least, self.items.most);
        self.task.problem(&mut draw, items)
    }

    fn taught(&self, index: u64, problem: Problem) -> (Example, Completion) {
        let id = format!("program-{}-{index}", self.seed);
        let completion = Completion {
            index: 0,
            prompt: None,
            rationale: problem.steps.join("\n"),
            prediction: Some(problem.gold.clone()),
            finish: Some(Finish::Stop),
            ..Completion::default()
        };
        (Example::new(self.task.key(), &id, problem.question, problem.gold), completion)
    }
}

#[cfg(test)]
mod tests;
