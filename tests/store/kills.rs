//! Kills, and errors of the disk, at every system call by which a command changes files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pupil_distill::keyed::permutation;
use pupil_distill::rationale::{ExampleKey, RationaleError, Reader, State};

use crate::experiment::{Tiny, digest};
use crate::worker;

/// Every system call that changes a file or a folder and that any of the commands makes.
const CALLS: &str = "write,pwrite64,pwritev,writev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,\
                     fallocate,openat,mkdir,mkdirat,link,linkat,copy_file_range";

/// Time for each command's points in an ordinary run; `PUPIL_STORE_SWEEP=1` tries them all.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A command that changes files, and what must hold whenever it stops.
struct Workload {
    name: &'static str,
    prepare: fn(&Path),
    command: fn(&Path) -> Command,
    /// What must hold before the command is given again.
    stopped: fn(&Path),
    /// What must hold after it has come to its end; a text that never differs.
    outcome: fn(&Path) -> String,
}

/// The n-th of one kind of system call.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Point {
    call: String,
    number: usize,
}

fn distill(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_distill"));
    command.args(arguments).current_dir(folder);
    command
}

fn store(folder: &Path) -> PathBuf {
    folder.join("rationales.db")
}

/// A store that is there has whole pages, and no completion that is half written.
fn is_whole(path: &Path) {
    if !path.exists() {
        return;
    }
    match Reader::open(path) {
        Ok(reader) => drop(reader.digest().unwrap()),
        // Killed before the first transaction.
        Err(RationaleError::Store { found, .. }) if found == "an empty database" => return,
        Err(error) => panic!("{error}"),
    }
    let connection = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}

const TEACH: Workload = Workload {
    name: "a teacher that stores reply by reply",
    prepare: |_| {},
    command: |folder| worker::worker("teach", &store(folder)),
    stopped: |folder| {
        let path = store(folder);
        is_whole(&path);
        let Ok(text) = fs::read_to_string(worker::acknowledged(&path)) else { return };
        let reader = Reader::open(&path).unwrap();
        for line in text.lines() {
            let (position, index) = line.split_once(' ').unwrap();
            let (position, index): (u64, u32) = (position.parse().unwrap(), index.parse().unwrap());
            let (state, completion) = reader.get(ExampleKey::new(0, position).completion(index)).unwrap().unwrap();
            assert_eq!(state, State::Done, "{line} was acknowledged");
            assert_eq!(completion, worker::record(position, index, State::Done).completion);
        }
    },
    outcome: |folder| {
        let reader = Reader::open(&store(folder)).unwrap();
        let progress = reader.progress(0).unwrap();
        assert_eq!(progress.done, worker::EXAMPLES * u64::from(worker::DEGREE));
        assert_eq!(progress.prompt_tokens, 7 * progress.done);
        reader.digest().unwrap().to_string()
    },
};

const RUN: Workload = Workload {
    name: "distill teach",
    prepare: |folder| {
        fs::copy(Tiny::new().path("tiny.toml"), folder.join("tiny.toml")).unwrap();
    },
    command: |folder| distill(folder, &["teach", "tiny.toml"]),
    stopped: |folder| is_whole(&folder.join("runs/tiny/rationales.db")),
    outcome: |folder| {
        let run = folder.join("runs/tiny");
        format!("{} {}", digest(&run.join("rationales.db")), fs::read_to_string(run.join("teach.stage.toml")).unwrap())
    },
};

const IMPORT: Workload = Workload {
    name: "distill rationales import",
    prepare: |folder| {
        fs::copy(exported("all.jsonl"), folder.join("all.jsonl")).unwrap();
    },
    command: |folder| distill(folder, &["rationales", "import", "rationales.db", "all.jsonl"]),
    stopped: |folder| is_whole(&store(folder)),
    outcome: |folder| digest(&store(folder)),
};

const MERGE: Workload = Workload {
    name: "distill merge",
    prepare: |folder| {
        for shard in ["one.db", "two.db"] {
            fs::copy(exported(shard), folder.join(shard)).unwrap();
        }
    },
    command: |folder| distill(folder, &["merge", "one.db", "two.db", "--into", "rationales.db"]),
    stopped: |folder| {
        is_whole(&store(folder));
        if let Ok(reader) = Reader::open(&store(folder)) {
            let done: u64 = (0..2).map(|source| reader.progress(source).unwrap().done).sum();
            assert!(done == 0 || done == crate::experiment::COMPLETIONS as u64, "{done}");
        }
    },
    outcome: |folder| digest(&store(folder)),
};

const EXPORT: Workload = Workload {
    name: "distill rationales export",
    prepare: |folder| {
        fs::copy(exported("whole.db"), store(folder)).unwrap();
    },
    command: |folder| {
        distill(folder, &["rationales", "export", "rationales.db", "--format", "parquet", "--out", "all.parquet"])
    },
    stopped: |folder| {
        is_whole(&store(folder));
        if let Ok(bytes) = fs::read(folder.join("all.parquet")) {
            assert!(bytes == fs::read(exported("all.parquet")).unwrap(), "a file that is there is whole");
        }
    },
    outcome: |folder| format!("{:?}", pupil_models::digest::Digest::of(&fs::read(folder.join("all.parquet")).unwrap())),
};

const SALVAGE: Workload = Workload {
    name: "distill rationales salvage",
    prepare: |folder| {
        fs::copy(exported("whole.db"), folder.join("old.db")).unwrap();
    },
    command: |folder| distill(folder, &["rationales", "salvage", "old.db", "--out", "rationales.db"]),
    stopped: |folder| {
        is_whole(&store(folder));
        // Whole or not there; one that is there is not salvaged again.
        if store(folder).exists() {
            assert_eq!(digest(&store(folder)), digest(&exported("whole.db")));
            fs::remove_file(store(folder)).unwrap();
        }
    },
    outcome: |folder| digest(&store(folder)),
};

/// Files that the commands read, made once.
fn exported(name: &str) -> PathBuf {
    static TINY: std::sync::OnceLock<Tiny> = std::sync::OnceLock::new();
    let tiny = TINY.get_or_init(|| {
        let tiny = Tiny::taught();
        let run = |arguments: &[&str]| drop(crate::ended(&tiny.distill(arguments).output().unwrap(), 0));
        for (format, file) in [("jsonl", "all.jsonl"), ("parquet", "all.parquet")] {
            run(&["rationales", "export", "tiny.toml", "--format", format, "--out", file]);
        }
        for (shard, file) in [("0/2", "one.db"), ("1/2", "two.db")] {
            run(&["teach", "tiny.toml", "--shard", shard]);
            let folder = shard.replace('/', "-of-");
            fs::copy(tiny.path(&format!("runs/tiny/shards/{folder}/rationales.db")), tiny.path(file)).unwrap();
        }
        fs::copy(tiny.store(), tiny.path("whole.db")).unwrap();
        tiny
    });
    tiny.path(name)
}

impl Workload {
    fn fresh(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        (self.prepare)(folder.path());
        folder
    }

    /// The command under strace.
    fn traced(&self, folder: &Path, expression: &str, log: &str) -> Command {
        let command = (self.command)(folder);
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-o", log, "-e", expression]).arg(command.get_program()).args(command.get_args());
        traced.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(folder) = command.get_current_dir() {
            traced.current_dir(folder);
        }
        traced.stdout(Stdio::null()).stderr(Stdio::piped());
        traced
    }

    /// Every state-changing system call of an undisturbed run, and its outcome.
    fn points(&self) -> (Vec<Point>, String) {
        let folder = self.fresh();
        let log = folder.path().join("strace.log");
        let output = self.traced(folder.path(), &format!("trace={CALLS}"), log.to_str().unwrap()).output().unwrap();
        crate::ended(&output, 0);
        let (mut points, mut counts) = (Vec::new(), BTreeMap::new());
        for line in fs::read_to_string(log).unwrap().lines() {
            let Some((_, rest)) = line.split_once(' ') else { continue };
            let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
            let number = counts.entry(call.to_owned()).or_insert(0);
            *number += 1;
            let is_terminal = call == "write" && (arguments.starts_with("1,") || arguments.starts_with("2,"));
            let only_reads = call == "openat" && !arguments.contains("O_CREAT") && !arguments.contains("O_TRUNC");
            if !is_terminal && !only_reads {
                points.push(Point { call: call.to_owned(), number: *number });
            }
        }
        (points, (self.outcome)(folder.path()))
    }

    /// Stops the command at `points` by `injection`, gives it again, and compares; how many points were tried.
    fn sweep(
        &self,
        key: u64,
        patience: Duration,
        points: &[Point],
        expected: &str,
        injection: impl Fn(&Point) -> String,
    ) -> usize {
        let (started, mut tried) = (Instant::now(), 0);
        for index in permutation(&[key], points.len()) {
            if std::env::var_os("PUPIL_STORE_SWEEP").is_none() && started.elapsed() > patience {
                break;
            }
            let folder = self.fresh();
            let expression = format!("inject={}:{}", points[index].call, injection(&points[index]));
            let output = self.traced(folder.path(), &expression, "/dev/null").output().unwrap();
            let printed = String::from_utf8_lossy(&output.stderr).into_owned();
            let place = format!("{}: {expression}: {printed}", self.name);
            assert!(!printed.contains("panicked") || self.name == TEACH.name, "{place}");
            let checked = std::panic::catch_unwind(|| (self.stopped)(folder.path()));
            assert!(checked.is_ok(), "{place}");
            let again = (self.command)(folder.path()).stdout(Stdio::null()).output().unwrap();
            assert!(again.status.success(), "{place}\nthen: {}", String::from_utf8_lossy(&again.stderr));
            assert_eq!((self.outcome)(folder.path()), expected, "{place}");
            tried += 1;
        }
        tried
    }
}

/// Whether system calls can be traced here.
fn can_trace() -> bool {
    let can = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !can {
        println!("skipped: strace is not there, or may not trace");
    }
    can
}

fn kill_everywhere(key: u64, workload: &Workload) {
    if !can_trace() {
        return;
    }
    let (points, expected) = workload.points();
    let kill = |point: &Point| format!("signal=KILL:when={}", point.number);
    let tried = workload.sweep(key, PATIENCE, &points, &expected, kill);
    println!("{}: killed at {tried} of {} points", workload.name, points.len());
    assert!(tried > 0);
}

#[test]
fn a_killed_teacher_loses_nothing_that_was_acknowledged() {
    kill_everywhere(0, &TEACH);
}

#[test]
fn a_killed_run_goes_on() {
    kill_everywhere(1, &RUN);
}

#[test]
fn a_killed_import_goes_on() {
    kill_everywhere(2, &IMPORT);
}

#[test]
fn a_killed_merge_leaves_everything_or_nothing() {
    kill_everywhere(3, &MERGE);
}

#[test]
fn a_killed_export_leaves_a_whole_file_or_none() {
    kill_everywhere(4, &EXPORT);
}

#[test]
fn a_killed_salvage_leaves_a_whole_store_or_none() {
    kill_everywhere(5, &SALVAGE);
}

/// Once, and from then on for good.
#[test]
fn an_error_of_the_disk_loses_nothing() {
    if !can_trace() {
        return;
    }
    for (key, workload) in [(10, &TEACH), (11, &IMPORT), (12, &MERGE)] {
        let (points, expected) = workload.points();
        let errors = ["ENOSPC", "EDQUOT", "EIO", "EFBIG", "EROFS", "EINTR"];
        let (mut tried, mut lasting) = (0, "");
        for (number, error) in (0_u64..).zip(errors) {
            // Interruptions that never end are none.
            let injection = |point: &Point| format!("error={error}:when={}{lasting}", point.number);
            tried += workload.sweep(key * 10 + number, PATIENCE / 4, &points, &expected, injection);
            lasting = if lasting.is_empty() && number < 4 { "+" } else { "" };
        }
        println!("{}: {tried} errors of the disk at {} points", workload.name, points.len());
    }
}
