//! Examples and splits: the first files of the chain.
//!
//! A dataset is a JSONL file named after its task, one example a row; a split file names which examples are for training
//! and which are for testing. Both are read whole and checked before any other stage starts.

mod error;
mod row;
mod split;
mod subset;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use error::DatasetError;
pub use row::RowError;
pub(crate) use row::{Row, described, id_text, rows};
pub use split::SplitReference;
pub use subset::training_subset;

/// One item of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Task and id in one text that is unique among all datasets: `coin_flip/12`.
    pub id: String,
    /// The task's key, such as `coin_flip`.
    pub task: String,
    /// The question as the dataset words it, white space included.
    pub question: String,
    /// The right answer as the dataset writes it.
    pub gold: String,
}

impl Example {
    /// The example of `task` whose id within the task is `id`.
    #[must_use]
    pub fn new(task: &str, id: &str, question: impl Into<String>, gold: impl Into<String>) -> Self {
        Self { id: example_id(task, id), task: task.to_owned(), question: question.into(), gold: gold.into() }
    }
}

pub(crate) fn example_id(task: &str, id: &str) -> String {
    format!("{task}/{id}")
}

/// All examples of one task, in the file's order.
#[derive(Clone, Debug)]
pub struct Dataset {
    path: PathBuf,
    task: String,
    examples: Vec<Example>,
    positions: HashMap<String, usize>,
}

impl Dataset {
    /// Reads a JSONL file of rows `{"id", "question", "answer"}`; other keys are not looked at.
    ///
    /// The task's key is the file's name without its ending. Ids are whole numbers from 0, or texts. A byte order mark,
    /// Windows line ends and blank lines are accepted.
    ///
    /// # Errors
    /// A file that cannot be read or holds no row; a row that lacks a key or has a value of another kind; an id that
    /// occurs twice.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let task = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let mut dataset = Self { path: path.to_owned(), task, examples: Vec::new(), positions: HashMap::new() };
        for row in rows(path)? {
            dataset.add(&row?)?;
        }
        if dataset.examples.is_empty() {
            return Err(DatasetError::Empty { path: path.to_owned() });
        }
        Ok(dataset)
    }

    fn add(&mut self, row: &Row) -> Result<(), DatasetError> {
        let id = row.id("id")?;
        let example = Example::new(&self.task, &id, row.written("question")?, row.written("answer")?);
        if self.positions.contains_key(&id) {
            return Err(row.refused("id", "an id that no row before has", format!("`{id}` again")).into());
        }
        self.positions.insert(id, self.examples.len());
        self.examples.push(example);
        Ok(())
    }

    /// The task's key: the file's name without its ending.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.task
    }

    /// All examples, in the file's order.
    #[must_use]
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// The examples that `split_file` lists under `name`, in the split file's order.
    ///
    /// # Errors
    /// A split file that cannot be read or has another form; a name that it does not have; an id that the dataset does
    /// not have, or that the split lists twice.
    pub fn split(&self, split_file: &Path, name: &str) -> Result<Vec<Example>, DatasetError> {
        let ids = split::read(split_file, name)?;
        let find = |id: &String| {
            let position = self.positions.get(id).ok_or_else(|| self.unknown(split_file, name, id))?;
            Ok(self.examples[*position].clone())
        };
        ids.iter().map(find).collect()
    }

    fn unknown(&self, split_file: &Path, name: &str, id: &str) -> DatasetError {
        DatasetError::UnknownId {
            path: split_file.to_owned(),
            name: name.to_owned(),
            id: id.to_owned(),
            dataset: self.path.clone(),
            examples: self.examples.len(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
