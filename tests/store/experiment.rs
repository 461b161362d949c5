//! A tiny experiment with two sources of a program teacher, and commands on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use pupil_distill::rationale::Reader;
use tempfile::TempDir;

const EXPERIMENT: &str = r#"name = "tiny"

[contract]
prompt = "Q: {question}\nA:"
answer_marker = "\nThe answer is "
step_rule = "line"
answer = { kind = "text" }
grader = "robust"
budgets = { rationale_tokens = 24, answer_tokens = 8 }

[[source]]
teacher = "program"
task = "coin_flip"
questions = 40
items = [1, 3]

[[source]]
teacher = "program"
task = "last_letter_concatenation"
questions = 60
items = [1, 2]

[tokenizer]
frequent_words = 0.1

[student]
hidden_size = 32
intermediate_size = 64
layers = 1
heads = 2
context_tokens = 192

[train]
steps = 33
batch_tokens = 512
learning_rate = 1e-2
warmup_steps = 5
initial_deviation = 0.05
evaluate_every = 10
checkpoint_every = 8
threads = 1
"#;

/// Completions of the experiment.
pub(crate) const COMPLETIONS: usize = 100;

/// An experiment file in a folder of its own.
pub(crate) struct Tiny {
    folder: TempDir,
}

impl Tiny {
    pub(crate) fn new() -> Self {
        let tiny = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(tiny.path("tiny.toml"), EXPERIMENT).unwrap();
        tiny
    }

    /// One whose teachers have written everything.
    pub(crate) fn taught() -> Self {
        let tiny = Self::new();
        crate::ended(&tiny.distill(&["teach", "tiny.toml"]).output().unwrap(), 0);
        tiny
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The run's store.
    pub(crate) fn store(&self) -> PathBuf {
        self.path("runs/tiny/rationales.db")
    }

    /// `distill` with arguments, in the folder.
    pub(crate) fn distill(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_distill"));
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    /// Replaces a text of the experiment file.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("tiny.toml")).unwrap();
        assert!(text.contains(from));
        std::fs::write(self.path("tiny.toml"), text.replacen(from, to, 1)).unwrap();
    }
}

/// The digest of everything finished in a store.
pub(crate) fn digest(store: &Path) -> String {
    Reader::open(store).unwrap().digest().unwrap().to_string()
}
