//! Bad input to `distill`: one clear error that names object, expected and found, exit 2, nothing half-written.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support_distill/micro.rs"]
mod micro;

mod bundles;
mod data;
mod experiments;
mod full_disk;

use std::path::Path;
use std::process::Command;

use micro::{Micro, files};

/// Runs what must fail: exit 2, one error on stderr, nothing on stdout, no file written below the folder of `micro` but a
/// run's lock. The error with its causes and hint.
fn refused(micro: &Micro, command: &mut Command) -> String {
    let before = files(&micro.path(""));
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(output.stdout.is_empty(), "errors do not belong on the standard output");
    assert_eq!(printed.matches("error: ").count(), 1, "{printed}");
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let after = files(&micro.path(""));
    assert_eq!(names(&after), names(&before));
    assert!(after == before, "a file was changed");
    printed[printed.find("error: ").unwrap()..].to_owned()
}

/// Copies the files of a folder.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
