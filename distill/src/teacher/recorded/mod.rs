//! A teacher that replays completions which a large model wrote earlier.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use crate::dataset::{Example, Row, RowError, example_id, rows};

use super::{Completion, Finish, TeachError, Teacher};

/// Replays a file of completions; asks no model.
#[derive(Debug)]
pub struct RecordedTeacher {
    name: String,
    path: PathBuf,
    degree: NonZeroU32,
    recordings: BTreeMap<(String, u32), Recording>,
}

/// One row, with what it says about the example.
#[derive(Debug)]
struct Recording {
    line: usize,
    question: String,
    gold: String,
    completion: Completion,
}

impl RecordedTeacher {
    /// Reads a JSONL file of rows `{"dataset", "sample_index", "completion_index", "question", "answer", "prompt",
    /// "rationale", "prediction", "finish_reason"?}`; `prompt` and `prediction` may be null, other keys are not looked at.
    ///
    /// `degree` is how many completions of an example are replayed at most: those with a `completion_index` below it. The
    /// published files hold a few repeated completions, which degree 1 leaves out. The teacher's name is the file's name
    /// without `.<dataset>.jsonl`.
    ///
    /// # Errors
    /// A file that cannot be read or holds no row; a row that lacks a key or has a value of another kind; two rows that
    /// give the same completion of the same example differently.
    pub fn read(path: &Path, degree: NonZeroU32) -> Result<Self, TeachError> {
        let mut recordings = BTreeMap::new();
        let mut dataset = String::new();
        for row in rows(path)? {
            let row = row?;
            row.text("dataset")?.clone_into(&mut dataset);
            add(&mut recordings, &row)?;
        }
        if recordings.is_empty() {
            return Err(TeachError::Empty { path: path.to_owned() });
        }
        Ok(Self { name: teacher_name(path, &dataset), path: path.to_owned(), degree, recordings })
    }

    fn check(&self, example: &Example, recording: &Recording) -> Result<(), TeachError> {
        let parts = [("question", &example.question, &recording.question), ("answer", &example.gold, &recording.gold)];
        // The released completions for tracking_shuffled_objects were made from questions with extra blanks.
        match parts.into_iter().find(|(_, expected, found)| !same_but_for_space(expected, found)) {
            None => Ok(()),
            Some((part, expected, found)) => Err(TeachError::Mismatch {
                path: self.path.clone(),
                line: recording.line,
                id: example.id.clone(),
                part,
                expected: expected.clone(),
                found: found.clone(),
            }),
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

fn add(recordings: &mut BTreeMap<(String, u32), Recording>, row: &Row) -> Result<(), RowError> {
    let recording = Recording::of(row)?;
    let id = example_id(row.text("dataset")?, &row.id("sample_index")?);
    match recordings.entry((id, recording.completion.index)) {
        Entry::Vacant(entry) => {
            entry.insert(recording);
            Ok(())
        }
        Entry::Occupied(entry) if entry.get().says_the_same(&recording) => Ok(()),
        Entry::Occupied(entry) => {
            let (id, index) = entry.key();
            let expected = format!("completion {index} of `{id}` as on line {}", entry.get().line);
            Err(row.refused("completion_index", expected, "another one"))
        }
    }
}

impl Recording {
    fn of(row: &Row) -> Result<Self, RowError> {
        let completion = Completion {
            index: row.index("completion_index")?,
            prompt: row.optional_text("prompt")?.map(str::to_owned),
            rationale: row.text("rationale")?.to_owned(),
            prediction: row.optional_text("prediction")?.map(str::to_owned),
            finish: row.optional_text("finish_reason")?.map(|reason| Finish::from(reason.to_owned())),
            ..Completion::default()
        };
        let question = row.written("question")?.to_owned();
        Ok(Self { line: row.line(), question, gold: row.written("answer")?.to_owned(), completion })
    }

    fn says_the_same(&self, other: &Self) -> bool {
        (&self.question, &self.gold, &self.completion) == (&other.question, &other.gold, &other.completion)
    }
}

impl RecordedTeacher {
    /// The teacher's name, by the name of its file.
    #[must_use]
    pub fn name_of(path: &Path) -> String {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        stem.rsplit_once('.').map_or(stem.as_ref(), |(teacher, _)| teacher).to_owned()
    }
}

fn teacher_name(path: &Path, dataset: &str) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.strip_suffix(&format!(".{dataset}")).unwrap_or(&stem).to_owned()
}

fn same_but_for_space(one: &str, other: &str) -> bool {
    let marks = |text: &'_ str| text.chars().filter(|mark| !mark.is_whitespace()).collect::<String>();
    marks(one) == marks(other)
}

#[cfg(test)]
mod tests;
