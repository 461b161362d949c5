//! The rationale store under what befalls it: kills, a full disk, two processes, damaged and foreign files, shards.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and says what it skipped or tried")]

mod cluster;
mod commands;
mod experiment;
mod files;
mod full_disk;
mod kills;
mod races;
mod shards;
mod worker;

use std::process::Output;

/// What a command printed on stderr, which must have ended with `code`.
fn ended(output: &Output, code: i32) -> String {
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{printed}");
    printed
}
