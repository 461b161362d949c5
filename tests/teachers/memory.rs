//! The memory check itself: it sees what a child holds, and nothing of what its parent holds.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::checks::MOST_BYTES;
use crate::teaching::{Finished, Settings, Teaching, held, memory};
use crate::{checks, server};

/// More than any child may hold.
const PARENT_BYTES: usize = 2 * MOST_BYTES as usize;

/// Starts `dd`, which fills one buffer of so many MiB and then waits for its reader.
fn holding(mebibytes: u64) -> Child {
    let arguments = ["if=/dev/zero".to_owned(), format!("bs={mebibytes}M"), "count=1".to_owned()];
    Command::new("dd").args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The peak of a child once it holds at least `least` bytes; then it is killed.
fn peak_from(mut child: Child, least: u64) -> u64 {
    let start = Instant::now();
    let mut found = 0;
    while found < least && start.elapsed() < Duration::from_secs(30) {
        found = found.max(held(child.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    found
}

fn finished(peak_bytes: u64) -> Finished {
    Finished { code: Some(0), printed: String::new(), peak_bytes }
}

#[test]
fn a_child_that_holds_too_much_is_found_out() {
    let limit = MOST_BYTES >> 20;
    let most = peak_from(holding(limit + 1), MOST_BYTES);
    assert!(most >= MOST_BYTES, "{most}");
    let refused = std::panic::catch_unwind(|| checks::memory_is_bounded(&finished(most)));
    assert!(refused.is_err(), "{most} bytes pass");
    let less = peak_from(holding(limit / 2), MOST_BYTES / 2);
    assert!(less >= MOST_BYTES / 2, "{less}");
    checks::memory_is_bounded(&finished(less));
}

#[test]
fn what_the_parent_holds_does_not_count() {
    let ballast = std::hint::black_box(vec![1_u8; PARENT_BYTES]);
    let own = std::process::id();
    assert!(memory(own, "RssAnon").unwrap() > MOST_BYTES);
    // A process that runs this program's code is no child that has got to its own yet.
    assert_eq!(held(own), None);
    let server = server::Server::start(server::Conduct::good(), "");
    let teaching = Teaching::new(Settings { questions: 20, ..Settings::default() }, &server.url());
    for _ in 0..10 {
        let finished = teaching.teach(&[]);
        assert!(finished.peak_bytes > 1 << 20, "nothing was measured");
        checks::memory_is_bounded(&finished);
    }
    drop(ballast);
}
