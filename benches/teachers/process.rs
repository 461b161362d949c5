//! The benchmark's other processes, and what they cost.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Clock ticks a second in `/proc`, the same on every Linux.
const TICKS: f64 = 100.0;

/// This benchmark in another role.
pub(crate) fn this(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments);
    command
}

/// A server under way in a process of its own; it is killed when it is dropped.
pub(crate) struct Served {
    child: Child,
    port: u16,
    replies: Arc<AtomicUsize>,
    last_us: Arc<AtomicUsize>,
}

/// What a server did in a round.
pub(crate) struct Finish {
    /// From the first request to the last reply.
    pub(crate) per_second: f64,
    /// Seconds of processor time.
    pub(crate) cpu: f64,
}

impl Served {
    pub(crate) fn start() -> Self {
        let mut child = this(&["serve"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let (replies, last_us) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, time) = (Arc::clone(&replies), Arc::clone(&last_us));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let numbers: Vec<usize> = line.split(' ').map_while(|number| number.parse().ok()).collect();
                if let [replies, last_us] = numbers[..] {
                    time.store(last_us, Ordering::SeqCst);
                    count.store(replies, Ordering::SeqCst);
                }
            }
        });
        Self { child, port, replies, last_us }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Replies as of the server's last report.
    pub(crate) fn replies(&self) -> usize {
        self.replies.load(Ordering::SeqCst)
    }

    /// Waits for the report of the last of `completions` replies.
    pub(crate) fn finish(&self, completions: usize) -> Finish {
        while self.replies() < completions {
            std::thread::sleep(Duration::from_millis(10));
        }
        let seconds = self.last_us.load(Ordering::SeqCst) as f64 / 1e6;
        let [user, system, ..] = times(&self.child.id().to_string());
        Finish { per_second: self.replies() as f64 / seconds, cpu: user + system }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of processor time of all children that have ended.
pub(crate) fn children_seconds() -> f64 {
    let [.., user, system] = times("self");
    user + system
}

/// Seconds in user and system mode, of the process and of its children that have ended.
fn times(process: &str) -> [f64; 4] {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name, in parentheses, may hold blanks; utime is the twelfth field behind it.
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    [11, 12, 13, 14].map(|field| fields[field].parse::<f64>().unwrap() / TICKS)
}
