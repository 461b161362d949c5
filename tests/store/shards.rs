//! Shards taught side by side and merged are the unsharded run.

use std::process::Child;

use pupil_distill::rationale::Reader;

use crate::ended;
use crate::experiment::{Tiny, digest};

fn teach_shards(tiny: &Tiny, shards: impl Iterator<Item = u32>, count: u32) {
    let start = |shard: u32| {
        let shard = format!("{shard}/{count}");
        let mut command = tiny.distill(&["teach", "tiny.toml", "--shard", &shard]);
        command.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = shards.map(start).collect();
    for child in children {
        ended(&child.wait_with_output().unwrap(), 0);
    }
}

#[test]
fn sixteen_shards_merged_equal_the_unsharded_run() {
    let (tiny, whole) = (Tiny::new(), Tiny::taught());
    teach_shards(&tiny, 1..=16, 16);
    assert!(!tiny.store().exists() && tiny.path("runs/tiny/shards/0-of-16/rationales.db").exists());
    for written in ["100 completions are new, 0 were there", "0 completions are new, 100 were there"] {
        let printed = ended(&tiny.distill(&["merge", "tiny.toml"]).output().unwrap(), 0);
        assert!(printed.contains(written) && !printed.contains("note:"), "{printed}");
        assert_eq!(digest(&tiny.store()), digest(&whole.store()));
    }
    let before = std::fs::read(tiny.store()).unwrap();
    ended(&tiny.distill(&["teach", "tiny.toml"]).output().unwrap(), 0);
    assert_eq!(digest(&tiny.store()), digest(&whole.store()));
    assert!(Reader::open(&tiny.store()).unwrap().setting("shard").unwrap().is_none());
    assert!(before == std::fs::read(tiny.store()).unwrap(), "nothing was missing, nothing was written");
}

#[test]
fn a_merge_says_what_is_missing_and_teaching_adds_it() {
    let (tiny, whole) = (Tiny::new(), Tiny::taught());
    teach_shards(&tiny, [0, 2].into_iter(), 4);
    let printed = ended(&tiny.distill(&["merge", "tiny.toml"]).output().unwrap(), 0);
    assert!(printed.contains("note: shard 1/4 is not there\nnote: shard 3/4 is not there\n"), "{printed}");
    assert!(printed.contains("note: source 0 has ") && printed.contains(" of 40 examples"), "{printed}");
    assert_ne!(digest(&tiny.store()), digest(&whole.store()));
    ended(&tiny.distill(&["teach", "tiny.toml"]).output().unwrap(), 0);
    assert_eq!(digest(&tiny.store()), digest(&whole.store()));
}

#[test]
fn overlapping_shards_are_fine_where_they_agree_and_named_where_not() {
    let (tiny, other) = (Tiny::new(), Tiny::new());
    teach_shards(&tiny, [0, 1].into_iter(), 2);
    teach_shards(&tiny, 0..3, 3);
    ended(&tiny.distill(&["merge", "tiny.toml"]).output().unwrap(), 0);
    assert_eq!(digest(&tiny.store()), digest(&Tiny::taught().store()));
    other.edit("questions = 40", "questions = 40\nseed = 7");
    teach_shards(&other, [0].into_iter(), 2);
    let stranger = other.path("runs/tiny/shards/0-of-2/rationales.db");
    let output =
        tiny.distill(&["merge", "runs/tiny/rationales.db", "--into", "all.db"]).arg(stranger).output().unwrap();
    let printed = ended(&output, 2);
    assert!(printed.contains("`seed`: expected 0, found 7"), "{printed}");
}

#[test]
fn a_shard_is_named_by_the_scheduler() {
    let tiny = Tiny::new();
    let slurm = [
        ("SLURM_ARRAY_TASK_ID", "3"),
        ("SLURM_ARRAY_TASK_MIN", "0"),
        ("SLURM_ARRAY_TASK_MAX", "3"),
        ("SLURM_ARRAY_TASK_COUNT", "4"),
    ];
    let teach = |shard: &str| tiny.distill(&["teach", "tiny.toml", "--shard", shard]);
    ended(&teach("auto").envs(slurm).output().unwrap(), 0);
    ended(&teach("auto/4").env("JOB_COMPLETION_INDEX", "2").output().unwrap(), 0);
    for shard in ["3-of-4", "2-of-4"] {
        assert!(tiny.path(&format!("runs/tiny/shards/{shard}/teach.stage.toml")).exists(), "{shard}");
    }
    let printed = ended(&teach("auto").env_remove("SLURM_ARRAY_TASK_COUNT").output().unwrap(), 2);
    assert!(printed.contains("SLURM_ARRAY_TASK_COUNT"), "{printed}");
}
