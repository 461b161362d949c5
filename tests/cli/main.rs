//! `pupil` as a program: what it prints where, and its exit status; every bad input is one clear error.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bench;
mod bundles;
mod device;
mod errors;
mod instructions;
mod memory;
mod saved_graph;
mod solve;
mod tune;

use std::path::Path;
use std::process::{Command, Output};

/// `pupil` with these arguments and nothing of this process's environment that it looks at.
fn pupil(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pupil"));
    command.args(arguments).env_remove("PUPIL_BUNDLE").env("NO_COLOR", "1");
    // A folder that is never made: what the user has tuned is none of a test's business.
    command.env("PUPIL_CACHE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/no-cache"));
    command
}

fn run(arguments: &[&str]) -> Output {
    pupil(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
