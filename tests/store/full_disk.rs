//! A disk that is full in the middle of an import.

use std::process::Command;

use pupil_distill::rationale::RationaleError;

use crate::experiment::{Tiny, digest};

/// Many rows with long texts, in several transactions.
fn long_rows(tiny: &Tiny) {
    let text = "Step after step. ".repeat(60);
    let row = |number: usize| {
        serde_json::json!({
            "example": {"id": format!("made_up/{number}"), "task": "made_up", "question": "Why?", "gold": "yes"},
            "teacher": "long",
            "completion": {"index": 0, "prompt": null, "rationale": text, "prediction": "yes", "finish": "stop"},
        })
        .to_string()
    };
    let lines: Vec<String> = (0..6000).map(row).collect();
    std::fs::write(tiny.path("long.jsonl"), lines.join("\n")).unwrap();
}

/// Rows of a store that a failed import left: whole transactions.
fn rows(store: &std::path::Path) -> usize {
    let mut rows = 0;
    let reader = pupil_distill::rationale::Reader::open(store).unwrap();
    reader
        .visit(|_| {
            rows += 1;
            Ok::<(), RationaleError>(())
        })
        .unwrap();
    rows
}

#[test]
fn a_file_that_may_not_grow_is_an_error_and_the_import_goes_on_when_it_may() {
    let tiny = Tiny::new();
    long_rows(&tiny);
    let import = format!("exec {} rationales import all.db long.jsonl", env!("CARGO_BIN_EXE_distill"));
    let limited = |blocks: usize| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; {import}");
        Command::new("sh").args(["-c", &script]).current_dir(tiny.path("")).output().unwrap()
    };
    // 512 bytes a block, 7 MB of text.
    let printed = crate::ended(&limited(10_000), 2);
    let expected = "cannot write or read on the disk of rationale store `all.db`; what was stored before is kept";
    assert!(printed.contains(expected) && printed.contains("hint: make room"), "{printed}");
    let kept = rows(&tiny.path("all.db"));
    assert!(kept > 0 && kept < 6000 && kept.is_multiple_of(2048), "{kept}");
    let printed = crate::ended(&limited(100_000), 0);
    assert!(printed.contains(&format!("imported {}, there before {kept}, bad 0", 6000 - kept)), "{printed}");
    assert_eq!(rows(&tiny.path("all.db")), 6000);
}

#[test]
fn a_full_file_system_is_an_error_and_the_import_goes_on_when_there_is_space() {
    let tiny = Tiny::new();
    long_rows(&tiny);
    std::fs::create_dir(tiny.path("disk")).unwrap();
    // The file system is seen by the script alone, which therefore has to look at what was left.
    let script = format!(
        "mount -t tmpfs -o size=10m none disk || exit 77
         {distill} rationales import disk/all.db long.jsonl; echo import $?
         {distill} status disk/all.db; echo status $?
         mount -o remount,size=100m disk
         {distill} rationales import disk/all.db long.jsonl; echo again $?
         ls disk; cp disk/all.db .",
        distill = env!("CARGO_BIN_EXE_distill")
    );
    let output = Command::new("unshare").args(["-Urm", "sh", "-c", &script]).current_dir(tiny.path("")).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("import 2\n") && said.contains("status 0\n") && said.contains("again 0\n"),
        "{said}{printed}"
    );
    assert!(said.ends_with("again 0\nall.db\nall.db.lock\n"), "{said}");
    assert!(printed.contains("what was stored before is kept") && printed.contains("full"), "{printed}");
    assert_eq!(rows(&tiny.path("all.db")), 6000);
    let whole = tiny.path("whole.db");
    let imported = tiny.distill(&["rationales", "import", "whole.db", "long.jsonl"]).output().unwrap();
    crate::ended(&imported, 0);
    assert_eq!(digest(&whole), digest(&tiny.path("all.db")));
}
