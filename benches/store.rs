//! How fast rationales go into a store and out of it, and in how much memory.
//!
//! `cargo bench -p pupil-distill --bench store` (100,000 completions, three rounds, then 1,000,000 once; `-- 200000` for
//! another last size). Every operation is a process of its own, so that its peak memory is known. Beside the import stands
//! its ceiling: the same bytes written to a file and synced once for every transaction.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and its table is data")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use pupil_distill::rationale::transfer::{Choice, Format, Placement, export, import};
use pupil_distill::rationale::{RationaleError, Reader, Store, merge};

/// Completions of a short round, and rounds.
const SHORT: usize = 100_000;
const ROUNDS: usize = 3;
/// Completions of the long round, unless one says otherwise.
const LONG: usize = 1_000_000;
/// Completions of one example.
const DEGREE: usize = 8;
/// Rows of a transaction of the import.
const BULK_ROWS: usize = 2048;

/// Operations in their order; each reads what one before it wrote.
const OPERATIONS: [&str; 9] = [
    "write and sync lines",
    "import JSONL",
    "import JSONL again",
    "visit (digest)",
    "status",
    "export JSONL",
    "export Parquet",
    "import Parquet",
    "merge",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["work", operation, folder] => work(operation, Path::new(folder)),
        [] => rounds(LONG),
        [long] => rounds(long.parse().unwrap()),
        _ => panic!("expected nothing, or the size of the long round"),
    }
}

fn rounds(long: usize) {
    println!("{:<22} {:>11} {:>9} {:>13} {:>11}", "operation", "completions", "seconds", "completions/s", "peak MiB");
    for (round, count) in std::iter::repeat_n(SHORT, ROUNDS).chain([long]).enumerate() {
        let folder = std::env::temp_dir().join(format!("pupil-store-{}-{round}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        make_lines(&folder.join("all.jsonl"), count);
        for operation in OPERATIONS {
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["work", operation, folder.to_str().unwrap()])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let said = String::from_utf8(output.stdout).unwrap();
            let (seconds, peak) = said.trim().split_once(' ').unwrap();
            let seconds: f64 = seconds.parse().unwrap();
            let (rate, peak) = (count as f64 / seconds, peak.parse::<f64>().unwrap() / 1024.0);
            println!("{operation:<22} {count:>11} {seconds:>9.2} {rate:>13.0} {peak:>11.1}");
        }
        let bytes = |name: &str| fs::metadata(folder.join(name)).unwrap().len() as f64 / f64::from(1 << 20);
        let sizes = ["all.jsonl", "lines.db", "all.parquet"].map(|name| format!("{name} {:.0} MiB", bytes(name)));
        println!("  {}", sizes.join(", "));
        fs::remove_dir_all(&folder).unwrap();
    }
}

/// Rationales of the length that published teachers write, about 600 bytes.
fn make_lines(path: &Path, count: usize) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    for number in 0..count {
        let (example, index) = (number / DEGREE, number % DEGREE);
        let question =
            format!("A pen costs {example} cents and a book costs {} cents more. What do both cost?", number % 97);
        let step =
            format!("The pen costs {example} cents, and the book costs more than the pen does, says line {number}. ");
        let row = serde_json::json!({
            "example": {"id": format!("made_up/{example}"), "task": "made_up", "question": question_of(&question, example), "gold": "7"},
            "teacher": "benchmark",
            "completion": {
                "index": index, "prompt": format!("Q: {question}\nA: Let's think step by step."),
                "rationale": step.repeat(6), "prediction": " 7 cents.", "finish": "stop", "seed": number,
            },
            "source": 0,
        });
        serde_json::to_writer(&mut file, &row).unwrap();
        file.write_all(b"\n").unwrap();
    }
    file.flush().unwrap();
}

/// One question for all completions of an example.
fn question_of(question: &str, example: usize) -> String {
    let (start, _) = question.split_once(" and a book").unwrap();
    format!("{start} and a book costs {} cents more. What do both cost?", example % 97)
}

/// Does one operation, then prints its seconds and its peak memory in KiB.
fn work(operation: &str, folder: &Path) {
    let file = |name: &str| folder.join(name);
    let started = Instant::now();
    match operation {
        "write and sync lines" => write_lines(&file("all.jsonl"), &file("copy.jsonl")),
        "import JSONL" | "import JSONL again" => bring(&file("lines.db"), file("all.jsonl")),
        "import Parquet" => bring(&file("columns.db"), file("all.parquet")),
        "visit (digest)" => drop(Reader::open(&file("lines.db")).unwrap().digest().unwrap()),
        "status" => drop(Reader::open(&file("lines.db")).unwrap().summaries().unwrap()),
        "export JSONL" => take(&file("lines.db"), Format::Jsonl, &file("out.jsonl")),
        "export Parquet" => take(&file("lines.db"), Format::Parquet, &file("all.parquet")),
        _ => {
            let mut merged = Store::open(&file("merged.db")).unwrap();
            merge(&mut merged, &[file("lines.db"), file("columns.db")]).unwrap();
        }
    }
    println!("{:.4} {}", started.elapsed().as_secs_f64(), peak_kib());
}

fn write_lines(from: &Path, to: &Path) {
    let mut file = BufWriter::new(File::create(to).unwrap());
    for (line, number) in BufReader::new(File::open(from).unwrap()).lines().zip(1..) {
        writeln!(file, "{}", line.unwrap()).unwrap();
        if number % BULK_ROWS == 0 {
            file.flush().unwrap();
            file.get_ref().sync_data().unwrap();
        }
    }
    file.flush().unwrap();
    file.get_ref().sync_data().unwrap();
}

fn bring(store: &Path, from: PathBuf) {
    let mut store = Store::open(store).unwrap();
    let report = import(&mut store, &[from], Placement::Free, &mut |bad| panic!("{bad:?}")).unwrap();
    assert!(report.bad == 0 && report.written + report.same > 0);
}

fn take(store: &Path, format: Format<'_>, to: &Path) {
    let reader = Reader::open(store).unwrap();
    let exported: Result<u64, RationaleError> = export(&reader, Choice::All, format, File::create(to).unwrap(), to);
    assert!(exported.unwrap() > 0);
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
