//! A disk that is full in the middle of a training.

use std::process::Command;

use crate::micro::{Micro, files, succeeded};

/// `distill run` in a shell that lets no file grow beyond `blocks` of 512 bytes; a write beyond it fails as on a full disk.
fn limited(micro: &Micro, blocks: usize) -> Command {
    let mut command = Command::new("sh");
    let script =
        format!("trap '' XFSZ; ulimit -f {blocks}; exec {} run experiment.toml", env!("CARGO_BIN_EXE_distill"));
    command.args(["-c", &script]).current_dir(micro.path("")).env("OMP_NUM_THREADS", "1");
    command
}

/// Samples fit below the limit, checkpoints of the training do not.
#[test]
fn a_checkpoint_that_cannot_be_written_is_an_error_and_the_run_goes_on_when_there_is_space() {
    let (micro, undisturbed) = (Micro::new(), Micro::new());
    succeeded(&undisturbed.stage("run").output().unwrap());
    succeeded(&micro.stage("samples").output().unwrap());
    let before = files(&micro.run_folder());
    let largest = before.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
    let output = limited(&micro, largest / 512 + 8).output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(printed.contains("error: cannot train\n  because: cannot use `"), "{printed}");
    assert!(printed.contains("step-00000008.safetensors`\n  because: "), "{printed}");
    let mut after = files(&micro.run_folder());
    after.retain(|(name, _)| name != "train/metrics.jsonl");
    assert!(after == before, "{:?}", after.iter().map(|(name, _)| name).collect::<Vec<_>>());

    succeeded(&micro.stage("run").output().unwrap());
    assert!(files(&micro.run_folder()) == files(&undisturbed.run_folder()));
}
