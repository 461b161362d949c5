//! `models/fixtures`, the smallest real bundles, which the runtime's tests read: where they come from.

use std::fs;
use std::path::{Path, PathBuf};

use pupil_distill::export::export_unproved;
use pupil_distill::quantize::calibration::CalibrationPlan;
use pupil_models::bundle::Bundle;
use pupil_models::format::PortableWeights;

use crate::contract::contract;
use crate::portable;
use crate::students::{tiny, write_checkpoint};

fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fixtures").join(name)
}

/// Exports the tiny student, whose weights follow from seed 0, into the folder `tiny`, and in four bits for other runtimes into
/// `tiny-portable`.
fn write(folder: &Path) {
    let scratch = tempfile::tempdir().unwrap();
    let checkpoint = scratch.path().join("checkpoint");
    write_checkpoint(&checkpoint, &tiny(), 0);
    export_unproved(&checkpoint, &contract(), "random weights", &folder.join("tiny")).unwrap();
    portable::export(&checkpoint, PortableWeights::Four, CalibrationPlan::default(), &folder.join("tiny-portable"));
}

#[test]
fn the_committed_fixtures_are_what_the_exporter_writes() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    for name in ["tiny", "tiny-portable"] {
        let (found, expected) = (committed(name), folder.path().join(name));
        Bundle::open(&found).unwrap().verify().unwrap();
        for file in fs::read_dir(expected).unwrap() {
            let (file, path) = file.map(|file| (file.file_name(), file.path())).unwrap();
            assert!(
                fs::read(found.join(&file)).ok() == fs::read(path).ok(),
                "`{name}/{}`: run the ignored test `write_the_fixtures` if the change is intended",
                file.display()
            );
        }
    }
}

/// `cargo test --release -p pupil-distill --features torch --test parity write_the_fixtures -- --ignored`
#[test]
#[ignore = "writes into the repository"]
fn write_the_fixtures() {
    write(&committed(""));
}
