//! A micro experiment: two tasks of a program teacher, a student of one layer, seconds from question to bundle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pupil_distill::filter::SampleWeight;
use pupil_distill::rationale::{RationaleError, Store, Stored};
use pupil_distill::teacher::program::{Exclusions, Items, ProgramTask, ProgramTeacher};
use tempfile::TempDir;

/// Questions that the student is tested on.
pub(crate) const TEST_QUESTIONS: usize = 30;

const EXPERIMENT: &str = r#"name = "micro"

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
questions = 80
items = [1, 2]
exclude = "exclude.txt"

[[source]]
teacher = "program"
task = "last_letter_concatenation"
questions = 160
items = [1, 2]
exclude = "exclude.txt"

[tokenizer]
frequent_words = 0.1

[student]
hidden_size = 32
intermediate_size = 64
layers = 1
heads = 2
context_tokens = 192

[train]
curriculum = [{ steps = 7, task = "last_letter_concatenation" }]
steps = 33
accumulation = 2
batch_tokens = 512
learning_rate = 1e-2
warmup_steps = 5
initial_deviation = 0.05
held_out = 0.1
evaluate_every = 10
checkpoint_every = 8
threads = 1

[export]
parity_prompts = 20

[[eval]]
data = "last_letter_concatenation.jsonl"
split = "split.json:test"
"#;

/// An experiment file and what it reads, in a folder of its own.
pub(crate) struct Micro {
    folder: TempDir,
}

impl Micro {
    pub(crate) fn new() -> Self {
        let micro = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(micro.path("experiment.toml"), EXPERIMENT).unwrap();
        let task = ProgramTask::LastLetterConcatenation;
        let teacher = ProgramTeacher { task, seed: 2, items: Items::exactly(1) };
        let taught = teacher.generate(TEST_QUESTIONS + 1, &Exclusions::default()).unwrap();
        let row = |(id, (example, _)): (usize, &(pupil_distill::dataset::Example, _))| {
            serde_json::json!({"id": id, "question": example.question, "answer": example.gold}).to_string() + "\n"
        };
        fs::write(
            micro.path("last_letter_concatenation.jsonl"),
            taught.iter().enumerate().map(row).collect::<String>(),
        )
        .unwrap();
        let test: Vec<usize> = (1..=TEST_QUESTIONS).collect();
        fs::write(micro.path("split.json"), serde_json::json!({"train": [0], "test": test}).to_string()).unwrap();
        let questions = taught.iter().map(|(example, _)| &example.question);
        Exclusions::of_questions(questions).write(&micro.path("exclude.txt"), "test questions").unwrap();
        micro
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the run.
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.path("runs/micro")
    }

    /// Replaces a text of the experiment file that is there once.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("experiment.toml")).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        fs::write(self.path("experiment.toml"), text.replace(from, to)).unwrap();
    }

    /// `distill`, in the folder, with these arguments.
    pub(crate) fn distill(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_distill"));
        command.args(arguments).current_dir(self.folder.path()).env("OMP_NUM_THREADS", "1");
        command
    }

    /// A stage, or `run`, of the experiment.
    pub(crate) fn stage(&self, name: &str) -> Command {
        self.distill(&[name, "experiment.toml"])
    }
}

/// What a finished process printed on stderr, if it succeeded.
pub(crate) fn succeeded(output: &Output) -> String {
    let printed = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(output.status.success(), "{}\n{printed}", output.status);
    printed
}

/// Every file below `folder` but locks, by its path relative to it, in order; of a rationale store not the bytes, which tell
/// in how many steps it was written, but what it holds.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "db") {
                files.push((name_below(folder, &path), stored(&path)));
            } else if !path.ends_with("lock") && !path.to_string_lossy().ends_with(".db.lock") {
                files.push((name_below(folder, &path), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort_unstable();
    files
}

fn name_below(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()
}

/// The completions of a store, and which of them are kept with which weight.
fn stored(path: &Path) -> Vec<u8> {
    let store = Store::open(path).unwrap();
    let mut kept = Vec::new();
    let visit = |stored: Stored, weight: SampleWeight| {
        kept.push(format!("{} {weight}", stored.row.id()));
        Ok::<(), RationaleError>(())
    };
    store.visit_kept(visit).unwrap();
    format!("{} {}", store.digest().unwrap(), kept.join(" ")).into_bytes()
}
