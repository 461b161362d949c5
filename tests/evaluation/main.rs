//! Methods, budgets and sweeps through `distill`, on the shipped student.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod budgets;
mod methods;
mod sweeps;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pupil_distill::dataset::Example;
use pupil_distill::teacher::program::{Exclusions, Items, ProgramTask, ProgramTeacher};
use serde_json::Value;
use tempfile::TempDir;

/// Questions that are asked.
const QUESTIONS: usize = 20;

/// An exemplar; one fits the student's context, twenty do not.
const EXEMPLAR: &str = "Q: A coin is heads up. Ana flips the coin. Is the coin still heads up?\n\
                        A: The coin was flipped once. The answer is no.";

/// Questions, exemplars and runs in a folder of their own.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        let teacher = ProgramTeacher { task: ProgramTask::CoinFlip, seed: 3, items: Items::exactly(2) };
        let taught = teacher.generate(QUESTIONS, &Exclusions::default()).unwrap();
        let row = |(id, (example, _)): (usize, &(Example, _))| {
            serde_json::json!({"id": id, "question": example.question, "answer": example.gold}).to_string() + "\n"
        };
        let rows: String = taught.iter().enumerate().map(row).collect();
        fs::write(bench.path("coin_flip.jsonl"), &rows).unwrap();
        fs::write(bench.path("doors.jsonl"), &rows).unwrap();
        let long = [EXEMPLAR; 20].join("\n");
        let exemplars = serde_json::json!({"coin_flip": {"prompt": EXEMPLAR}, "doors": {"prompt": long}});
        fs::write(bench.path("exemplars.json"), exemplars.to_string()).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `distill`, in the folder, with these arguments.
    fn distill(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_distill"));
        command.args(arguments).current_dir(self.folder.path()).env("OMP_NUM_THREADS", "1").output().unwrap()
    }

    /// As [`Self::distill`], what it printed on stdout; it must succeed.
    fn printed(&self, arguments: &[&str]) -> String {
        let output = self.distill(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The student that is shipped with the project.
fn student() -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    workspace.join("models/students/symbolic").to_str().unwrap().to_owned()
}
