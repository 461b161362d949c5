//! Files that come from elsewhere, whole or not, and damaged stores.

use std::fs;
use std::path::Path;

use pupil_distill::rationale::{Reader, Store};

use crate::ended;
use crate::experiment::{COMPLETIONS, Tiny, digest};

fn export(tiny: &Tiny, format: &str, file: &str) -> Vec<u8> {
    let arguments = ["rationales", "export", "tiny.toml", "--format", format, "--out", file];
    ended(&tiny.distill(&arguments).output().unwrap(), 0);
    fs::read(tiny.path(file)).unwrap()
}

fn import(tiny: &Tiny, store: &str, files: &[&str], code: i32) -> String {
    let mut command = tiny.distill(&["rationales", "import", store]);
    ended(&command.args(files).output().unwrap(), code)
}

#[test]
fn what_is_exported_comes_back_once() {
    let tiny = Tiny::taught();
    let lines = export(&tiny, "jsonl", "all.jsonl");
    export(&tiny, "parquet", "all.parquet");
    assert!(lines == tiny.distill(&["rationales", "export", "runs/tiny"]).output().unwrap().stdout);
    for files in [["all.jsonl", "all.parquet"], ["all.parquet", "all.jsonl"]] {
        let store = format!("{}.db", files[0]);
        let printed = import(&tiny, &store, &files, 0);
        assert!(printed.contains(&format!("imported {COMPLETIONS}, there before {COMPLETIONS}, bad 0")), "{printed}");
        assert_eq!(digest(&tiny.path(&store)), digest(&tiny.store()));
        let again = tiny.distill(&["rationales", "export", &store]).output().unwrap().stdout;
        assert!(again == lines, "the same data gives the same bytes");
    }
    // Into a run, rows find the places of its examples in whatever order they come, and nothing is left to teach.
    let other = Tiny::new();
    let mut reversed: Vec<&str> = std::str::from_utf8(&lines).unwrap().lines().collect();
    reversed.reverse();
    fs::write(other.path("reversed.jsonl"), reversed.join("\n")).unwrap();
    let printed = import(&other, "tiny.toml", &["reversed.jsonl"], 0);
    assert!(printed.contains(&format!("imported {COMPLETIONS},")), "{printed}");
    assert_eq!(digest(&other.store()), digest(&tiny.store()));
    ended(&other.distill(&["teach", "tiny.toml"]).output().unwrap(), 0);
    assert_eq!(digest(&other.store()), digest(&tiny.store()));
}

#[test]
fn rows_of_other_examples_and_other_texts_are_named() {
    let tiny = Tiny::taught();
    let lines = String::from_utf8(export(&tiny, "jsonl", "all.jsonl")).unwrap();
    let first = lines.lines().next().unwrap();
    let bad = [
        first.replacen("\"id\":\"coin_flip/", "\"id\":\"coin_flip/x", 1),
        first.replacen("\"teacher\":\"program\"", "\"teacher\":\"someone\"", 1),
        first.replacen("\"rationale\":\"", "\"rationale\":\"No! ", 1),
        first.replacen("\"gold\":\"", "\"gold\":\"perhaps ", 1),
        first.replacen("\"index\":0", "\"index\":1048576", 1),
    ];
    fs::write(tiny.path("bad.jsonl"), bad.join("\n")).unwrap();
    let printed = import(&tiny, "tiny.toml", &["bad.jsonl"], 1);
    for (line, expected) in [
        (1, "expected an example and a teacher of the experiment, found `coin_flip/x"),
        (2, "expected an example and a teacher of the experiment, found `coin_flip/"),
        (3, "expected the completion that the store holds, found another `coin_flip/"),
        (4, "expected the question and gold answer that the store holds, found another example `coin_flip/"),
        (5, "expected a completion index below 2^20, found 1048576"),
    ] {
        let expected = format!("bad: `bad.jsonl`, line {line}: {expected}");
        assert!(printed.contains(&expected), "{expected}\n{printed}");
    }
    assert!(printed.contains("imported 0, there before 0, bad 5"), "{printed}");
    assert_eq!(digest(&tiny.store()), digest(&Tiny::taught().store()));
}

/// A corrupt tail and middle, invalid UTF-8, CRLF, a byte order mark, a line of 100 MB, an empty file.
#[test]
fn bad_lines_are_named_and_counted_and_good_ones_imported_once() {
    let tiny = Tiny::taught();
    let whole = export(&tiny, "jsonl", "all.jsonl");
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    let mut mixed = b"\xEF\xBB\xBF".to_vec();
    for (number, line) in lines.iter().enumerate() {
        match number {
            // Carriage returns and blank lines are no fault.
            3 => mixed.extend([&line[..line.len() - 1], b"\r\n\r\n\n"].concat()),
            7 => mixed.extend([&line[..40], b"\n"].concat()),
            11 => mixed.extend([&line[..30], b"\xFF\xFE", &line[30..]].concat()),
            13 => mixed.extend([b"{\"a\":\"".to_vec(), vec![b'x'; 100 << 20], b"\"}\n".to_vec()].concat()),
            17 => mixed.extend(b"\0\0\0\0\n"),
            _ if number + 1 == lines.len() => mixed.extend(&line[..line.len() / 2]),
            _ => mixed.extend(*line),
        }
    }
    fs::write(tiny.path("mixed.jsonl"), mixed).unwrap();
    fs::write(tiny.path("empty.jsonl"), "").unwrap();
    let printed = import(&tiny, "new.db", &["mixed.jsonl", "empty.jsonl"], 1);
    // Two blank lines come before all but the first few.
    for expected in [
        "bad: `mixed.jsonl`, line 10: expected a rationale, found EOF while parsing".to_owned(),
        "bad: `mixed.jsonl`, line 14: expected a rationale, found a byte that is not UTF-8 in column 31".to_owned(),
        format!("bad: `mixed.jsonl`, line 16: expected a rationale, found a line of {} bytes", (100 << 20) + 8),
        "bad: `mixed.jsonl`, line 20: expected a rationale, found expected value at column 1".to_owned(),
        format!("bad: `mixed.jsonl`, line {}: expected a rationale, found EOF while parsing", COMPLETIONS + 2),
        "bad: `empty.jsonl`: expected at least one rationale, found none".to_owned(),
        format!("imported {}, there before 0, bad 6", COMPLETIONS - 5),
    ] {
        assert!(printed.contains(&expected), "{expected}\n{printed}");
    }
    let printed = import(&tiny, "new.db", &["all.jsonl"], 0);
    assert!(printed.contains(&format!("imported 5, there before {}, bad 0", COMPLETIONS - 5)), "{printed}");
}

#[test]
fn a_damaged_parquet_file_is_named_and_never_a_crash() {
    let tiny = Tiny::taught();
    let whole = export(&tiny, "parquet", "all.parquet");
    fs::write(tiny.path("cut.parquet"), &whole[..whole.len() / 2]).unwrap();
    let printed = import(&tiny, "cut.db", &["cut.parquet"], 1);
    assert!(printed.contains("bad: `cut.parquet`: expected a Parquet file of rationales, found "), "{printed}");
    let stride = whole.len() / 40;
    for place in (4..whole.len() - 4).step_by(stride) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x5A;
        fs::write(tiny.path("flipped.parquet"), &bytes).unwrap();
        let store = tiny.path("flipped.db");
        let output = tiny.distill(&["rationales", "import", "flipped.db", "flipped.parquet"]).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            matches!(output.status.code(), Some(0 | 1)) && !printed.contains("panicked"),
            "byte {place}: {printed}"
        );
        fs::remove_file(store).unwrap();
    }
}

/// Overwrites pages in the middle of the file.
fn damage(store: &Path, pages: std::ops::Range<usize>) {
    let mut bytes = fs::read(store).unwrap();
    bytes[pages.start * 4096..pages.end * 4096].fill(0xA5);
    fs::write(store, bytes).unwrap();
}

#[test]
fn a_damaged_store_is_refused_with_the_way_to_salvage_it() {
    let tiny = Tiny::taught();
    let mut many = Vec::new();
    for number in 0..3000 {
        let row = serde_json::json!({
            "example": {"id": format!("made_up/{number}"), "task": "made_up", "question": "Why? ".repeat(20), "gold": "yes"},
            "teacher": "long",
            "completion": {"index": number % 3, "prompt": null, "rationale": "Step. ".repeat(50), "prediction": "yes", "finish": null},
        });
        many.push(row.to_string());
    }
    fs::write(tiny.path("many.jsonl"), many.join("\n")).unwrap();
    import(&tiny, "good.db", &["many.jsonl"], 0);
    let pages = fs::metadata(tiny.path("good.db")).unwrap().len() as usize / 4096;
    let mut refused = 0;
    for place in (10..pages - 2).step_by(pages / 12) {
        fs::copy(tiny.path("good.db"), tiny.path("bad.db")).unwrap();
        damage(&tiny.path("bad.db"), place..place + 2);
        let printed = import(&tiny, "bad.db", &["many.jsonl"], 2);
        refused += 1;
        assert!(
            printed.contains("rationale store `bad.db` is damaged: expected a whole database, found: "),
            "{printed}"
        );
        assert!(printed.contains("hint: `distill rationales salvage bad.db --out NEW.db`"), "{printed}");
        let output = tiny.distill(&["rationales", "salvage", "bad.db", "--out", "saved.db"]).output().unwrap();
        let printed = String::from_utf8(output.stderr).unwrap();
        let saved = Reader::open(&tiny.path("saved.db")).unwrap().progress(0).unwrap();
        // Two pages hold at most some dozens of rows; an inner page of the tree has hundreds below it.
        assert!(saved.done >= 2000, "page {place}: {saved:?} {printed}");
        assert_eq!(output.status.code(), Some(i32::from(printed.contains("unreadable: "))), "{printed}");
        // What is there is right, and what was lost comes back from the file.
        import(&tiny, "saved.db", &["many.jsonl"], 0);
        let mut rows = 0;
        let reader = Reader::open(&tiny.path("saved.db")).unwrap();
        reader
            .visit(|_| {
                rows += 1;
                Ok::<(), pupil_distill::rationale::RationaleError>(())
            })
            .unwrap();
        assert_eq!(rows, 3000, "page {place}");
        drop(Store::open(&tiny.path("saved.db")).unwrap());
        fs::remove_file(tiny.path("saved.db")).unwrap();
    }
    assert!(refused >= 10);
}

#[test]
fn a_store_can_be_read_where_nothing_can_be_written() {
    let tiny = Tiny::taught();
    let script = format!(
        "mount -t tmpfs none runs || exit 77
         cp whole.db runs/ && mount -o remount,ro runs && {} rationales export runs/whole.db",
        env!("CARGO_BIN_EXE_distill")
    );
    fs::copy(tiny.store(), tiny.path("whole.db")).unwrap();
    let expected = export(&tiny, "jsonl", "all.jsonl");
    let output =
        std::process::Command::new("unshare").args(["-Urm", "sh", "-c", &script]).current_dir(tiny.path("")).output();
    let Some(output) = output.ok().filter(|output| output.status.code() != Some(77) && output.status.code() != Some(1))
    else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    ended(&output, 0);
    assert!(output.stdout == expected);
}
