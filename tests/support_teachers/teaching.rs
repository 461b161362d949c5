//! `distill teach` on sums, as processes in a folder of their own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pupil_distill::rationale::{RationaleError, RationaleRow, Reader};
use tempfile::TempDir;

use crate::answers::{Api, question};

/// The secret that must not appear anywhere.
pub(crate) const KEY: &str = "sk-secret-0a1b2c3d4e5f";

/// What a run asks, and how.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) questions: usize,
    pub(crate) api: Api,
    /// `zero_shot_cot` or `one_step`.
    pub(crate) prompting: &'static str,
    pub(crate) is_streamed: bool,
    pub(crate) concurrency: usize,
    pub(crate) retries: u32,
    /// Of connecting and of silence.
    pub(crate) timeout_s: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            questions: 200,
            api: Api::Chat,
            prompting: "one_step",
            is_streamed: false,
            concurrency: 16,
            retries: 8,
            timeout_s: 20.0,
        }
    }
}

/// An experiment file with its questions and its run.
pub(crate) struct Teaching {
    folder: TempDir,
    settings: Settings,
    /// Those that were started.
    processes: AtomicUsize,
}

/// A finished process.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    /// Everything that it printed.
    pub(crate) printed: String,
    /// The most anonymous memory that it was seen to hold.
    pub(crate) peak_bytes: u64,
}

impl Teaching {
    pub(crate) fn new(settings: Settings, url: &str) -> Self {
        Self::new_in(&std::env::temp_dir(), settings, url)
    }

    /// As [`Self::new`], in a folder below `place`.
    pub(crate) fn new_in(place: &Path, settings: Settings, url: &str) -> Self {
        let teaching = Self { folder: tempfile::tempdir_in(place).unwrap(), settings, processes: AtomicUsize::new(0) };
        let mut rows = String::new();
        for number in 0..teaching.settings.questions {
            let (question, answer) = question(number);
            writeln!(rows, "{}", serde_json::json!({"id": number, "question": question, "answer": answer})).unwrap();
        }
        fs::write(teaching.path("sums.jsonl"), rows).unwrap();
        teaching.point_to(url);
        teaching
    }

    /// Writes the experiment file, the teacher being at `url`.
    pub(crate) fn point_to(&self, url: &str) {
        let Settings { api, prompting, is_streamed, concurrency, retries, timeout_s, .. } = &self.settings;
        let api = if *api == Api::Chat { "chat" } else { "completions" };
        let text = format!(
            r#"name = "sums"
{FIXED}
[[source]]
teacher = "openai"
data = "sums.jsonl"
prompting = "{prompting}"

[source.endpoint]
url = "{url}"
model = "sums-1"
api = "{api}"
key_env = "TEACHER_KEY"
stream = {is_streamed}

[source.generation]
seed = 7
max_tokens = 64
answer_max_tokens = 16

[source.limits]
concurrency = {concurrency}
retries = {retries}
connect_timeout_s = {timeout_s:?}
idle_timeout_s = {timeout_s:?}
timeout_s = 60.0
longest_pause_s = 0.3
"#
        );
        fs::write(self.path("experiment.toml"), text).unwrap();
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `distill` in the folder, with the key in its environment.
    pub(crate) fn distill(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_distill"));
        command.args(arguments).current_dir(self.folder.path()).env("TEACHER_KEY", KEY).stdin(Stdio::null());
        command
    }

    /// Starts `distill teach`.
    pub(crate) fn start(&self, more: &[&str]) -> Running {
        self.start_with(more, &[])
    }

    /// Starts `distill teach` in an environment; what it prints goes into a file of its own.
    pub(crate) fn start_with(&self, more: &[&str], environment: &[(&str, &str)]) -> Running {
        let number = self.processes.fetch_add(1, Ordering::Relaxed);
        let printed = self.path(&format!("printed-{number}.txt"));
        let file = fs::File::create(&printed).unwrap();
        let mut command = self.distill(&["teach", "experiment.toml"]);
        command.args(more).envs(environment.iter().copied()).stdout(file.try_clone().unwrap()).stderr(file);
        Running { child: command.spawn().unwrap(), printed, peak_bytes: 0 }
    }

    /// Runs `distill teach` to its end.
    pub(crate) fn teach(&self, more: &[&str]) -> Finished {
        self.start(more).end(Duration::from_mins(2))
    }

    /// The store of the run.
    pub(crate) fn store(&self) -> PathBuf {
        self.path("runs/sums/rationales.db")
    }

    /// Every finished completion in the run's store, one a line, sorted.
    pub(crate) fn export(&self) -> String {
        export(&self.store())
    }

    /// Files below the folder that hold the key.
    pub(crate) fn files_with_the_key(&self) -> Vec<PathBuf> {
        let holds = |path: &PathBuf| fs::read(path).unwrap().windows(KEY.len()).any(|window| window == KEY.as_bytes());
        files(self.folder.path()).into_iter().filter(holds).collect()
    }
}

/// Every finished completion of a store, one a line, sorted.
pub(crate) fn export(store: &Path) -> String {
    let lines = |row: &RationaleRow| serde_json::to_string(row).unwrap() + "\n";
    let mut rows: Vec<String> = rows(store).iter().map(lines).collect();
    rows.sort_unstable();
    rows.concat()
}

/// Every finished completion of a store, in the order of the experiment.
pub(crate) fn rows(store: &Path) -> Vec<RationaleRow> {
    let mut rows = Vec::new();
    let mut keep = |stored: pupil_distill::rationale::Stored| {
        rows.push(stored.row);
        Ok::<(), RationaleError>(())
    };
    Reader::open(store).unwrap().visit(&mut keep).unwrap();
    rows
}

/// All files below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// A process under way.
pub(crate) struct Running {
    child: Child,
    printed: PathBuf,
    peak_bytes: u64,
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.peak_bytes = self.peak_bytes.max(held(self.child.id()).unwrap_or(0));
        self.child.try_wait().unwrap().is_none()
    }

    /// Kills it with signal 9.
    pub(crate) fn kill(mut self) -> Finished {
        self.child.kill().unwrap();
        self.end(Duration::from_secs(10))
    }

    /// Waits for the end.
    pub(crate) fn end(mut self, patience: Duration) -> Finished {
        let start = Instant::now();
        while self.goes_on() {
            if start.elapsed() > patience {
                self.child.kill().unwrap();
                let printed = fs::read_to_string(&self.printed).unwrap();
                panic!("`distill teach` does not end within {patience:?}\n{printed}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Finished {
            code: self.child.wait().unwrap().code(),
            printed: String::from_utf8_lossy(&fs::read(&self.printed).unwrap()).into_owned(),
            peak_bytes: self.peak_bytes,
        }
    }
}

/// What a child holds of its own (anonymous memory) as the program that it was started for, in bytes; `None` before and after.
///
/// Pages of files do not count: how many of a linked library's are there is up to the system, which can take them back.
/// A child that is started by `vfork` lives in the memory of its parent until `execve` gives it its own: before that its status
/// tells of the parent.
pub(crate) fn held(child: u32) -> Option<u64> {
    let program = |process: &str| fs::read_link(format!("/proc/{process}/exe")).ok();
    // Never the parent's again once it is another one's, so that this comes first.
    let has_own_memory = program(&child.to_string())? != program("self")?;
    has_own_memory.then(|| memory(child, "RssAnon")).flatten()
}

/// A line of a process's status, such as `RssAnon`, in bytes.
pub(crate) fn memory(process: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// What an experiment file must have and teaching does not look at.
const FIXED: &str = r#"
[contract]
prompt = "Q: {question}\nA:"
answer_marker = "\nThe answer is "
step_rule = "line"
answer = { kind = "number" }
grader = "robust"
budgets = { rationale_tokens = 64, answer_tokens = 16 }

[tokenizer]
frequent_words = 0.1

[student]
hidden_size = 32
intermediate_size = 64
layers = 1
heads = 2
context_tokens = 256

[train]
steps = 10
batch_tokens = 512
learning_rate = 1e-2
"#;
