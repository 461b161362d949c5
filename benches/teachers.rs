//! How fast the `openai` teacher is against a loopback server whose replies take 50 ms, beside the ceiling that a client
//! without any purpose reaches on the same machine, and in how much memory.
//!
//! What bounds it besides: a place in the window is free again once the reply is durable, so that every reply waits for a
//! commit. How long commits take is measured apart, on the same disk, of the same rows, with nothing else to do; and the
//! server's own cost is in the ceiling.
//!
//! `cargo bench -p pupil-distill --bench teachers`. Rounds of client and ceiling alternate, so that noise meets both; server,
//! ceiling and client are processes of their own, so that the processor time of each is known.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic, and its table is data")]

#[expect(dead_code, reason = "the tests stream replies")]
#[path = "../tests/support_teachers/answers.rs"]
mod answers;
#[expect(dead_code, reason = "the tests break connections")]
#[path = "../tests/support_teachers/http.rs"]
mod http;
#[expect(dead_code, reason = "the tests stream replies")]
#[path = "../tests/support_teachers/reply.rs"]
mod reply;
#[expect(dead_code, reason = "the tests look closer at runs")]
#[path = "../tests/support_teachers/teaching.rs"]
mod teaching;

#[path = "teachers/ceiling.rs"]
mod ceiling;
#[path = "teachers/disk.rs"]
mod disk;
#[path = "teachers/process.rs"]
mod process;
#[path = "teachers/server.rs"]
mod server;

use std::path::Path;
use std::time::{Duration, Instant};

use disk::Commits;
use process::Served;
use teaching::{Settings, Teaching, memory, rows};

/// From a request to its reply.
const LATENCY: Duration = Duration::from_millis(50);
/// Requests at a time.
const IN_FLIGHT: usize = 256;
const IDEAL: f64 = IN_FLIGHT as f64 * 1e3 / LATENCY.as_millis() as f64;
/// A folder without a disk behind it.
const MEMORY: &str = "/dev/shm";
/// Completions of a short round, and of the long one.
const SHORT: usize = 20_000;
const LONG: usize = 200_000;
/// Completions of which commits are made to measure the disk.
const FEW: usize = 1_000;
/// Short rounds.
const ROUNDS: usize = 3;

/// One round of the client.
struct Round {
    completions: usize,
    per_second: f64,
    command_seconds: f64,
    client_cpu: f64,
    server_cpu: f64,
    /// Resident bytes at 10 %, 20 %, … of the completions.
    resident: Vec<u64>,
    peak: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => server::serve(LATENCY),
        ["ceiling", port, completions] => {
            ceiling::ask(port.parse().unwrap(), IN_FLIGHT, completions.parse().unwrap());
        }
        ref arguments if arguments.contains(&"--bench") => measure(),
        _ => println!("`cargo bench -p pupil-distill --bench teachers` measures"),
    }
}

fn measure() {
    println!(
        "{IN_FLIGHT} in flight, {} ms latency: ideal {IDEAL:.0} completions/s. A request counts as in flight until its reply is\n\
         on disk. `ceiling` is a client without purpose or disk; `commit` what a commit takes with nothing else to do, of as\n\
         many rows as arrive meanwhile; `bound` the ceiling where every reply waits for a commit and a half; `no disk` the same\n\
         client with its store in memory ({MEMORY}), where a sync costs nothing.\n",
        LATENCY.as_millis()
    );
    let few = few_rows();
    println!(
        "{:>11} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10} {:>10} {:>8}",
        "completions",
        "ceiling/s",
        "client/s",
        "of ideal",
        "of ceil.",
        "commit",
        "bound/s",
        "of bound",
        "no disk/s",
        "of ideal",
        "command",
        "client CPU",
        "server CPU",
        "peak MiB"
    );
    for completions in [vec![SHORT; ROUNDS], vec![LONG]].concat() {
        let ceiling = ceiling_round(SHORT);
        let commits = Commits::measured(&few, &std::env::temp_dir());
        let round = client_round(completions, &std::env::temp_dir());
        let memory = Path::new(MEMORY).is_dir().then(|| client_round(SHORT, Path::new(MEMORY)).per_second);
        print_round(&round, ceiling, commits, memory.unwrap_or(f64::NAN));
    }
}

fn print_round(round: &Round, ceiling: f64, commits: Commits, memory: f64) {
    let bound = commits.bound(IN_FLIGHT, IN_FLIGHT as f64 / ceiling);
    println!(
        "{:>11} {:>10.0} {:>9.0} {:>9.3} {:>9.3} {:>6.1} ms {:>9.0} {:>9.3} {:>9.0} {:>9.3} {:>7.1} s {:>8.1} s {:>8.1} s {:>8.0}",
        round.completions,
        ceiling,
        round.per_second,
        round.per_second / IDEAL,
        round.per_second / ceiling,
        1e3 * commits.fixed / (1.0 - bound * commits.per_row),
        bound,
        round.per_second / bound,
        memory,
        memory / IDEAL,
        round.command_seconds,
        round.client_cpu,
        round.server_cpu,
        mebibytes(round.peak)
    );
    if round.completions == LONG {
        let steps: Vec<String> = round.resident.iter().map(|bytes| format!("{:.1}", mebibytes(*bytes))).collect();
        println!("\nresident MiB of the client at 10 %, 20 %, … of {LONG}: {}", steps.join(" "));
    }
}

/// What a client stores of a few completions.
fn few_rows() -> Vec<pupil_distill::rationale::RationaleRow> {
    let served = Served::start();
    let settings = Settings { questions: FEW, concurrency: IN_FLIGHT, ..Settings::default() };
    let teaching = Teaching::new(settings, &format!("http://127.0.0.1:{}/v1", served.port()));
    let finished = teaching.teach(&[]);
    assert_eq!(finished.code, Some(0), "{}", finished.printed);
    rows(&teaching.store())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Completions a second of a client without any purpose.
fn ceiling_round(completions: usize) -> f64 {
    let served = Served::start();
    let port = served.port().to_string();
    let status = process::this(&["ceiling", &port, &completions.to_string()]).status().unwrap();
    assert!(status.success());
    served.finish(completions).per_second
}

/// One run of the client, in a folder below `place`.
fn client_round(completions: usize, place: &Path) -> Round {
    let served = Served::start();
    let settings = Settings { questions: completions, concurrency: IN_FLIGHT, ..Settings::default() };
    let teaching = Teaching::new_in(place, settings, &format!("http://127.0.0.1:{}/v1", served.port()));
    let before = process::children_seconds();
    let start = Instant::now();
    let mut run = teaching.start(&[]);
    let mut resident = Vec::new();
    let mut peak = 0;
    while run.goes_on() {
        peak = memory(run.id(), "VmHWM").unwrap_or(peak);
        if served.replies() >= completions * (resident.len() + 1) / 10 {
            resident.extend(memory(run.id(), "VmRSS"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let command_seconds = start.elapsed().as_secs_f64();
    let finished = run.end(Duration::from_secs(1));
    assert_eq!(finished.code, Some(0), "{}", finished.printed);
    let client_cpu = process::children_seconds() - before;
    let finish = served.finish(completions);
    Round {
        completions,
        per_second: finish.per_second,
        command_seconds,
        client_cpu,
        server_cpu: finish.cpu,
        resident,
        peak,
    }
}
