//! Mapped weights: an open bundle costs no memory for its weights.

use std::fs;
use std::path::Path;
use std::process::Command;

use pupil_distill::export::export_unproved;
use pupil_models::bundle::WEIGHTS;
use pupil_models::config::StudentConfig;
use pupil_runtime::Engine;

use crate::contract::contract;
use crate::students::{tiny, write_checkpoint};

/// Names the bundle to the child process.
const BUNDLE: &str = "PUPIL_TEST_MEMORY_BUNDLE";
/// What an open student may cost: ONNX Runtime itself, the graph, the tokenizer.
const LIMIT_BYTES: u64 = 40_000_000;
/// Size that makes a copy of the weights impossible to miss.
const LEAST_WEIGHTS_BYTES: u64 = 100_000_000;

/// Memory of this process that belongs to no file.
fn anonymous_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    1024 * line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap()
}

/// Runs in a process of its own: opens the bundle, computes a token, and checks what both cost.
#[expect(clippy::print_stdout, reason = "the parent shows what was measured")]
fn open_and_measure(bundle: &Path) {
    let empty = anonymous_bytes();
    let mut engine = Engine::open(bundle).unwrap();
    let opened = anonymous_bytes().saturating_sub(empty);
    engine.logits(&[1]).unwrap();
    let used = anonymous_bytes().saturating_sub(empty);
    println!("anonymous memory: {opened} bytes after opening, {used} after a token");
    assert!(opened < LIMIT_BYTES, "{opened} bytes after opening");
    assert!(used < LIMIT_BYTES, "{used} bytes after a token");
    let weights = fs::canonicalize(bundle.join(WEIGHTS)).unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.lines().any(|line| line.ends_with(weights.to_str().unwrap())), "{maps}");
}

#[test]
fn an_open_bundle_of_100_mb_costs_less_than_40_mb_of_anonymous_memory() {
    if let Some(bundle) = std::env::var_os(BUNDLE) {
        return open_and_measure(Path::new(&bundle));
    }
    if !cfg!(target_os = "linux") {
        println!("skipped: the memory of a process is read from `/proc`");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, bundle) = (folder.path().join("checkpoint"), folder.path().join("bundle"));
    let config = StudentConfig {
        hidden_size: 768,
        intermediate_size: 3072,
        layers: 3,
        heads: 12,
        kv_heads: 12,
        head_dim: 64,
        ..tiny()
    };
    write_checkpoint(&checkpoint, &config, 0);
    export_unproved(&checkpoint, &contract(), "random weights", &bundle).unwrap();
    assert!(fs::metadata(bundle.join(WEIGHTS)).unwrap().len() >= LEAST_WEIGHTS_BYTES);
    let name = "memory::an_open_bundle_of_100_mb_costs_less_than_40_mb_of_anonymous_memory";
    let child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(BUNDLE, &bundle)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && printed.contains("after a token"), "{printed}");
    println!("{printed}");
}
