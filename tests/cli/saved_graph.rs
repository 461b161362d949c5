//! The optimised graph that `pupil tune` saves of a portable bundle: run from its mapped weights, with the same answers, and
//! passed over when it is not what was saved.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::bundles::portable_fixture;
use crate::memory::Held;
use crate::tune::{Cache, change};
use crate::{path, pupil, text};

const TUNE: [&str; 3] = ["tune", "--rounds=1", "--most-threads=1"];

/// A cache folder with the portable bundle as default.
fn portable() -> Cache {
    Cache { folder: tempfile::tempdir().unwrap(), bundle: portable_fixture().unwrap() }
}

/// A cache folder with a tuning, its entry, and the folder of the saved graph.
fn tuned() -> (Cache, PathBuf, PathBuf) {
    let cache = portable();
    let entry = cache.tune();
    let graph = entry.with_extension("graph");
    assert!(graph.is_dir(), "{:?}", cache.stored());
    (cache, entry, graph)
}

/// Whether the tuning is used, and whether its graph is.
fn used(cache: &Cache, options: &[&str]) -> [Value; 2] {
    let row = cache.row(options);
    [row["tuned"].clone(), row["saved_graph"].clone()]
}

#[test]
fn the_saved_graph_is_run_and_its_size_is_said() {
    let cache = portable();
    assert_eq!(used(&cache, &[]), [false, false]);
    let output = cache.run(&TUNE);
    let printed = text(&output.stdout);
    let entry =
        cache.stored().into_iter().find(|file| file.extension().is_some_and(|ending| ending == "json")).unwrap();
    let files = fs::read_dir(entry.with_extension("graph")).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    let said = format!("optimised graph with pre-packed weights, {bytes} bytes");
    assert!(printed.contains(&said), "expected `{said}` in {printed}");
    assert!(cache.doctor().contains(&said), "{}", cache.doctor());
    assert_eq!(used(&cache, &[]), [true, true]);
    assert_eq!(used(&cache, &["--threads=2"]), [true, true]);
    assert_eq!(used(&cache, &["--untuned"]), [false, false]);
    assert_eq!(used(&cache, &["--prepacking=off"]), [true, false]);
    let verified = cache.run(&["verify"]);
    assert!(text(&verified.stdout).contains("saved graph"), "{}", text(&verified.stdout));
}

#[test]
fn answers_are_those_without_it() {
    let (cache, ..) = tuned();
    let answers = |options: &[&str]| {
        let questions = tempfile::NamedTempFile::new().unwrap();
        fs::write(questions.path(), "1 + 1?\nwhat?\na longer question, in which more tokens are read at once?\n")
            .unwrap();
        let arguments = [&["solve", "--json", "--questions", path(questions.path())], options].concat();
        let output = cache.run(&arguments);
        let events: Vec<Value> = text(&output.stdout).lines().map(untimed).collect();
        let finished = events.iter().filter(|event| event["event"] == "finished").count();
        assert_eq!(finished, 3, "{}", text(&output.stderr));
        events
    };
    assert_eq!(answers(&[]), answers(&["--untuned", "--threads=1"]));
}

/// An event without what the clock says; mean logarithms of probabilities stay.
fn untimed(line: &str) -> Value {
    fn remove(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !["elapsed", "timings", "_ms"].iter().any(|timed| name.contains(timed)));
                fields.values_mut().for_each(remove);
            }
            Value::Array(values) => values.iter_mut().for_each(remove),
            _ => {}
        }
    }
    let mut event = serde_json::from_str(line).unwrap();
    remove(&mut event);
    event
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "what a process maps is read from `/proc`")]
fn its_weights_are_mapped() {
    let (cache, _, graph) = tuned();
    let weights = fs::canonicalize(graph).unwrap().join("weights.bin");
    let questions = tempfile::NamedTempFile::new().unwrap();
    fs::write(questions.path(), "1 + 1?\n".repeat(500)).unwrap();
    let maps = |options: &[&str]| {
        let arguments = [&["solve", path(&cache.bundle), "--json", "--questions", path(questions.path())], options];
        let mut process = Held::start_command(pupil(&arguments.concat()).env("PUPIL_CACHE_DIR", cache.folder.path()));
        process.await_answer();
        process.maps().contains(path(&weights))
    };
    assert!(maps(&[]));
    assert!(!maps(&["--untuned"]));
}

#[test]
fn what_is_not_what_was_saved_is_passed_over_and_said_by_doctor() {
    let (cache, entry, graph) = tuned();
    let (model, weights) = (graph.join("model.onnx"), graph.join("weights.bin"));
    let expect = |said: &str| {
        assert_eq!(used(&cache, &[]), [true, false], "{said}");
        let doctor = cache.doctor();
        assert!(
            doctor.contains("its saved graph is ignored: ") && doctor.contains(said),
            "expected `{said}` in {doctor}"
        );
    };
    for file in [&model, &weights] {
        let (whole, name) = (fs::read(file).unwrap(), file.file_name().unwrap().to_str().unwrap());
        fs::write(file, &whole[..whole.len() / 2]).unwrap();
        expect(&format!("`{name}`: expected {} bytes, found {}", whole.len(), whole.len() / 2));
        fs::remove_file(file).unwrap();
        expect(&format!("`{name}`: cannot be read: "));
        fs::write(file, whole).unwrap();
    }
    let whole = fs::read(&model).unwrap();
    fs::write(&model, vec![0; whole.len()]).unwrap();
    expect("`model.onnx`: expected sha256:");
    fs::write(&model, whole).unwrap();
    assert_eq!(used(&cache, &[]), [true, true], "the whole one is used again");
    change(&entry, |entry| entry["key"]["onnxruntime"] = "1.0.0".into());
    assert_eq!(used(&cache, &[]), [false, false], "the graph of another version");
}

#[cfg(unix)]
#[test]
fn what_others_could_have_written_is_passed_over() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (cache, _, graph) = tuned();
    let allow = |file: &Path, mode| fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    let store = graph.parent().unwrap().to_owned();
    for (file, mode) in [(&graph.join("weights.bin"), 0o644), (&graph, 0o755), (&store, 0o700)] {
        allow(file, mode | 0o002);
        assert_eq!(used(&cache, &[]), [true, false], "{}", file.display());
        allow(file, mode);
    }
    assert_eq!(used(&cache, &[]), [true, true]);
    let elsewhere = cache.folder.path().join("elsewhere");
    fs::rename(&graph, &elsewhere).unwrap();
    symlink(&elsewhere, &graph).unwrap();
    assert_eq!(used(&cache, &[]), [true, false], "a link");
}

#[test]
fn weights_that_changed_in_place_are_found_by_verify() {
    let (cache, _, graph) = tuned();
    let weights = graph.join("weights.bin");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    let output = cache.run(&["verify"]);
    assert_eq!(output.status.code(), Some(2));
    let printed = text(&output.stderr);
    assert!(
        printed.contains("error: what `pupil tune` saved for this bundle is damaged: `weights.bin`: "),
        "{printed}"
    );
    assert!(printed.contains("hint: `pupil tune` saves it anew"), "{printed}");
    cache.tune();
    assert!(cache.run(&["verify"]).status.success());
}

#[test]
fn a_tuning_without_a_graph_removes_an_earlier_one_and_leftovers() {
    let (cache, entry, graph) = tuned();
    let name = graph.file_name().unwrap().to_str().unwrap();
    let leftover = graph.with_file_name(format!(".{name}.1.partial"));
    fs::create_dir(&leftover).unwrap();
    fs::write(leftover.join("weights.bin"), "half").unwrap();
    let whole = fs::read(graph.join("weights.bin")).unwrap();
    cache.tune();
    assert!(!leftover.exists());
    assert!(fs::read(graph.join("weights.bin")).unwrap() == whole, "saved again, to the same bytes");
    let output = cache.run(&[&TUNE[..], &["--dry-run"]].concat());
    assert!(output.status.success() && graph.exists(), "a dry run changes nothing");
    let output = cache.run(&[&TUNE[..], &["--no-graph", "--json"]].concat());
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["saved_graph"], json!(null));
    assert_eq!(cache.stored(), [entry]);
    assert_eq!(used(&cache, &[]), [true, false]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_leaves_the_tuning_without_a_graph() {
    let cache = portable();
    // Larger files than that cannot be written: enough for the entry, too little for the weights.
    let limited = format!("trap '' XFSZ; ulimit -f 40; exec \"$0\" {}", TUNE.join(" "));
    let output = Command::new("sh")
        .args(["-c", &limited, env!("CARGO_BIN_EXE_pupil")])
        .env("PUPIL_CACHE_DIR", cache.folder.path())
        .env("PUPIL_BUNDLE", &cache.bundle)
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("warning: the optimised graph is not saved, the choice holds without it: "), "{said}");
    assert_eq!(cache.stored().len(), 1, "the entry alone: {:?}", cache.stored());
    assert_eq!(used(&cache, &[]), [true, false]);
}
