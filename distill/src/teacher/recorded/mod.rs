//! A teacher that replays completions which a large model wrote earlier, whoever kept them and in whatever form.

mod document;
mod error;
mod format;
mod recording;
mod texts;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

pub use error::RecordedError;
pub use format::Format;

use super::{Completion, TeachError, Teacher};
use crate::dataset::Example;
use recording::{Recording, Subject, Subjects, marks};

/// Replays a file of completions; asks no model.
#[derive(Debug)]
pub struct RecordedTeacher {
    name: String,
    path: PathBuf,
    degree: NonZeroU32,
    format: Format,
    unmatched: Unmatched,
    recordings: BTreeMap<(String, u32), Recording>,
}

/// Completions of a file that belong to no example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmatched {
    /// Where those stand that are about no example of the dataset.
    pub unknown: Vec<String>,
    /// Where those stand whose question several examples ask.
    pub ambiguous: Vec<String>,
}

impl Unmatched {
    /// Whether every completion found its example.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unknown.is_empty() && self.ambiguous.is_empty()
    }
}

impl fmt::Display for Unmatched {
    /// Counts, and the first few places.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED: usize = 5;
        let list = |places: &[String]| {
            let more = if places.len() > NAMED { ", …" } else { "" };
            let named: Vec<&str> = places.iter().take(NAMED).map(String::as_str).collect();
            if places.is_empty() { String::new() } else { format!(": {}{more}", named.join(", ")) }
        };
        write!(
            formatter,
            "{} about no example{}; {} about several{}",
            self.unknown.len(),
            list(&self.unknown),
            self.ambiguous.len(),
            list(&self.ambiguous)
        )
    }
}

impl RecordedTeacher {
    /// Reads a file of any [`Format`] that names its examples, as [`Self::read_about`] does.
    pub fn read(path: &Path, degree: NonZeroU32) -> Result<Self, TeachError> {
        Self::read_about(path, degree, &[])
    }

    /// Reads a file of any [`Format`] about a dataset's `examples`, all of them, whichever are asked about later.
    ///
    /// A completion belongs to the example whose id it names, else to the one that asks its question, white space not being
    /// looked at; one that belongs to none, or to several, is left out and listed in [`Self::unmatched`]. Its index is the
    /// one it names, else the next of its example. `degree` is how many completions of an example are replayed at most:
    /// those with an index below it. The published files hold a few repeated completions, which degree 1 leaves out.
    ///
    /// # Errors
    /// A file that cannot be read, has no known form, holds no row, or none about the examples; a row that lacks a key or
    /// has a value of another kind; two rows that give the same completion of the same example differently.
    pub fn read_about(path: &Path, degree: NonZeroU32, examples: &[Example]) -> Result<Self, TeachError> {
        let (format, found) = format::read(path)?;
        let mut teacher = Self {
            name: Self::name_of(path),
            path: path.to_owned(),
            degree,
            format,
            unmatched: Unmatched::default(),
            recordings: BTreeMap::new(),
        };
        let (subjects, rows) = (Subjects::of(examples), found.len());
        let mut next: HashMap<String, u32> = HashMap::new();
        for recording in found {
            match subjects.find(&recording) {
                Subject::Unknown => teacher.unmatched.unknown.push(recording.place),
                Subject::Ambiguous => teacher.unmatched.ambiguous.push(recording.place),
                Subject::Example(id) => {
                    let next = next.entry(id.clone()).or_default();
                    let index = recording.index.unwrap_or(*next);
                    *next = index.saturating_add(1);
                    teacher.add(id, index, recording)?;
                }
            }
        }
        if teacher.recordings.is_empty() {
            let (path, unmatched) = (path.to_owned(), teacher.unmatched.to_string());
            return Err(RecordedError::NothingMatches { path, format, rows, unmatched }.into());
        }
        Ok(teacher)
    }

    fn add(&mut self, id: String, index: u32, mut recording: Recording) -> Result<(), RecordedError> {
        recording.completion.index = index;
        match self.recordings.entry((id, index)) {
            Entry::Vacant(entry) => {
                entry.insert(recording);
                Ok(())
            }
            Entry::Occupied(entry) if says_the_same(entry.get(), &recording) => Ok(()),
            Entry::Occupied(entry) => Err(RecordedError::Conflict {
                path: self.path.clone(),
                place: recording.place,
                id: entry.key().0.clone(),
                index,
                first: entry.get().place.clone(),
            }),
        }
    }

    /// The teacher's name, by the name of its file.
    #[must_use]
    pub fn name_of(path: &Path) -> String {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        stem.rsplit_once('.').map_or(stem.as_ref(), |(teacher, _)| teacher).to_owned()
    }

    /// The form that the file has.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Completions that belong to no example.
    #[must_use]
    pub fn unmatched(&self) -> &Unmatched {
        &self.unmatched
    }

    fn check(&self, example: &Example, recording: &Recording) -> Result<(), TeachError> {
        let Recording { question, prompt, gold, .. } = recording;
        // The released completions for tracking_shuffled_objects were made from questions with extra blanks.
        let is = |expected: &str, found: &str| marks(expected) == marks(found);
        let holds = |expected: &str, found: &str| marks(found).contains(&marks(expected));
        let refused = |part, expected: &str, found: &str| {
            Err(RecordedError::Mismatch {
                path: self.path.clone(),
                place: recording.place.clone(),
                id: example.id.clone(),
                part,
                expected: expected.to_owned(),
                found: found.to_owned(),
            }
            .into())
        };
        match (question, prompt, gold) {
            (Some(found), ..) if !is(&example.question, found) => refused("question", &example.question, found),
            (None, Some(found), _) if !holds(&example.question, found) => refused("question", &example.question, found),
            (.., Some(found)) if !is(&example.gold, found) => refused("answer", &example.gold, found),
            _ => Ok(()),
        }
    }
}

impl Teacher for RecordedTeacher {
    fn name(&self) -> &str {
        &self.name
    }

    fn completions(&self, example: &Example) -> Result<Vec<Completion>, TeachError> {
        let key = |index| (example.id.clone(), index);
        let recordings = self.recordings.range(key(0)..key(self.degree.get()));
        recordings.map(|(_, recording)| self.check(example, recording).map(|()| recording.completion.clone())).collect()
    }
}

fn says_the_same(one: &Recording, other: &Recording) -> bool {
    (&one.question, &one.gold, &one.completion) == (&other.question, &other.gold, &other.completion)
}

#[cfg(test)]
mod tests;
