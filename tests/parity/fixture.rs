//! `models/fixtures/tiny`, the smallest real bundle, which the runtime's tests read: where it comes from.

use std::fs;
use std::path::{Path, PathBuf};

use pupil_distill::export::export_unproved;
use pupil_models::bundle::{MANIFEST, RECORDED_FILES};

use crate::contract::contract;
use crate::students::{tiny, write_checkpoint};

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fixtures/tiny")
}

/// Exports the tiny student, whose weights follow from seed 0.
fn write(target: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    write_checkpoint(&checkpoint, &tiny(), 0);
    export_unproved(&checkpoint, &contract(), "random weights", target).unwrap();
}

#[test]
fn the_committed_fixture_is_what_the_exporter_writes() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("tiny");
    write(&target);
    for name in RECORDED_FILES.into_iter().chain([MANIFEST]) {
        let (found, expected) = (fs::read(committed().join(name)).unwrap(), fs::read(target.join(name)).unwrap());
        assert!(found == expected, "`{name}`: run the ignored test `write_the_fixture` if the change is intended");
    }
}

/// `cargo test --release -p pupil-distill --features torch --test parity write_the_fixture -- --ignored`
#[test]
#[ignore = "writes into the repository"]
fn write_the_fixture() {
    write(&committed());
}
