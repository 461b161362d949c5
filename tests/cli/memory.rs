//! Processes of one bundle share its weights: each page of them is in memory once.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use pupil_models::bundle::WEIGHTS;

use crate::{path, pupil};

/// Names another bundle than the shipped student, to see what a larger one takes (with `--nocapture`).
const BUNDLE: &str = "PUPIL_SHARED_BUNDLE";
const PROCESSES: u64 = 4;
/// Their answers are more than a pipe holds: a process whose output is not read waits for its reader instead of ending.
const QUESTIONS: usize = 500;

/// A process that has answered once, and comes to wait for somebody who reads its further answers.
pub(crate) struct Held {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Held {
    fn start(bundle: &Path, questions: &Path) -> Self {
        Self::start_command(&mut pupil(&["solve", path(bundle), "--questions", path(questions), "--json", "--untuned"]))
    }

    pub(crate) fn start_command(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Returns once it has answered, and thereby used every weight.
    pub(crate) fn await_answer(&mut self) {
        let mut line = String::new();
        while !line.contains("\"finished\"") {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "expected an answer, found the end of the output");
        }
    }

    /// What it maps, a line a mapping with the file at its end.
    pub(crate) fn maps(&self) -> String {
        fs::read_to_string(format!("/proc/{}/maps", self.child.id())).unwrap()
    }

    /// Memory of the whole process, and of what it maps from `file`.
    fn memory(&self, file: &Path) -> [Memory; 2] {
        let maps = fs::read_to_string(format!("/proc/{}/smaps", self.child.id())).unwrap();
        let (mut all, mut mapped) = (Memory::default(), Memory::default());
        let mut inside = false;
        for line in maps.lines() {
            match line.split_once(':') {
                Some((name, size)) if !name.contains(' ') => {
                    all.add(name, size);
                    if inside {
                        mapped.add(name, size);
                    }
                }
                // The first line of a mapping: addresses, rights, and at the end the file.
                _ => inside = line.ends_with(path(file)),
            }
        }
        [all, mapped]
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In units of 1024 bytes.
#[derive(Debug, Default)]
struct Memory {
    /// Pages that are in memory.
    resident: u64,
    /// The same, each page divided by the number of processes that map it.
    proportional: u64,
}

impl Memory {
    fn add(&mut self, name: &str, size: &str) {
        let kibibytes = || size.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        match name {
            "Rss" => self.resident += kibibytes(),
            "Pss" => self.proportional += kibibytes(),
            _ => {}
        }
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the memory of a process is read from `/proc`")]
fn four_processes_have_the_weights_in_memory_once() {
    let shipped = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic");
    let bundle = fs::canonicalize(std::env::var_os(BUNDLE).map_or_else(shipped, PathBuf::from)).unwrap();
    let weights = bundle.join(WEIGHTS);
    let questions = tempfile::NamedTempFile::new().unwrap();
    fs::write(questions.path(), "1 + 1?\n".repeat(QUESTIONS)).unwrap();
    let mut processes: Vec<Held> = (0..PROCESSES).map(|_| Held::start(&bundle, questions.path())).collect();
    processes.iter_mut().for_each(Held::await_answer);
    let bytes = fs::metadata(&weights).unwrap().len();
    for process in &processes {
        let [all, mapped] = process.memory(&weights);
        println!("process: {all:?}; weights: {mapped:?}, in a file of {bytes} bytes");
        assert!(1024 * mapped.resident >= bytes * 9 / 10, "weights are used where they are mapped: {mapped:?}");
        // A page more or less is in use by one of them alone.
        let share = mapped.resident / PROCESSES;
        assert!(mapped.proportional <= share + share / 5, "expected at most a fourth and a fifth of it: {mapped:?}");
    }
}
