//! `distill status`, `rationales export` and changed settings, as a user meets them.

use pupil_distill::rationale::{Reader, Store};

use crate::ended;
use crate::experiment::{COMPLETIONS, Tiny, digest};

#[test]
fn status_counts_each_source_also_while_the_store_is_written() {
    let tiny = Tiny::taught();
    let mut store = Store::open(&tiny.store()).unwrap();
    store.count_faults(1, "http_429", 5).unwrap();
    for of in ["tiny.toml", "runs/tiny", "runs/tiny/rationales.db"] {
        let output = tiny.distill(&["status", of]).output().unwrap();
        ended(&output, 0);
        let printed = String::from_utf8(output.stdout).unwrap();
        let expected = [
            "source 0 `program`: 40 examples\n    completions: done 40 of 40 (100.0 %), partial 0, failed 0\n",
            "source 1 `program`: 60 examples\n    completions: done 60 of 60 (100.0 %), partial 0, failed 0\n    faults: http_429 5\n",
        ];
        assert!(expected.iter().all(|part| printed.contains(part)), "{printed}");
    }
    let output = tiny.distill(&["status", "tiny.toml", "--json"]).output().unwrap();
    ended(&output, 0);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["stores"][0]["sources"][1]["faults"]["http_429"], 5);
    assert_eq!(status["stores"][0]["sources"][0]["done"], 40);
    let printed = ended(&tiny.distill(&["status", "runs/other"]).output().unwrap(), 2);
    assert!(printed.contains("cannot read the rationale file `runs/other`"), "{printed}");
}

#[test]
fn training_columns_are_laid_out_by_the_contract() {
    let tiny = Tiny::taught();
    let export = |format: &str| {
        let output = tiny.distill(&["rationales", "export", "tiny.toml", "--format", format]).output().unwrap();
        let lines = String::from_utf8(output.stdout.clone()).unwrap();
        (output, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>())
    };
    let printed = ended(&export("messages").0, 2);
    assert!(printed.contains("expected verdicts, to choose the kept rationales by, found none"), "{printed}");
    ended(&tiny.distill(&["filter", "tiny.toml"]).output().unwrap(), 0);
    let (output, pairs) = export("prompt-completion");
    ended(&output, 0);
    let (output, chats) = export("messages");
    ended(&output, 0);
    assert_eq!((pairs.len(), chats.len()), (COMPLETIONS, COMPLETIONS));
    let mut row = None;
    Reader::open(&tiny.store())
        .unwrap()
        .visit_kept(|stored, _| {
            row.get_or_insert(stored.row);
            Ok::<(), pupil_distill::rationale::RationaleError>(())
        })
        .unwrap();
    let row = row.unwrap();
    let prompt = format!("Q: {}\nA:", row.example.question);
    let completion = format!("{}\nThe answer is {}", row.completion.rationale.trim(), row.example.gold);
    assert_eq!(pairs[0], serde_json::json!({"prompt": prompt, "completion": format!(" {completion}")}));
    assert_eq!(
        chats[0],
        serde_json::json!({"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]})
    );
}

#[test]
fn changed_settings_are_refused_key_by_key_until_they_are_accepted() {
    let tiny = Tiny::new();
    tiny.edit("questions = 40", "questions = 30");
    ended(&tiny.distill(&["teach", "tiny.toml"]).output().unwrap(), 0);
    tiny.edit("questions = 30", "questions = 40");
    let printed = ended(&tiny.distill(&["teach", "tiny.toml"]).output().unwrap(), 2);
    assert!(printed.contains("found a difference in `source.0.program`"), "{printed}");
    std::fs::remove_file(tiny.path("runs/tiny/teach.stage.toml")).unwrap();
    let printed = ended(&tiny.distill(&["teach", "tiny.toml"]).output().unwrap(), 2);
    assert!(
        printed.contains("source 0, was made with other settings: `questions`: expected 30, found 40\n"),
        "{printed}"
    );
    assert!(printed.contains("hint: ") && printed.contains("--accept"), "{printed}");
    ended(&tiny.distill(&["teach", "tiny.toml", "--accept"]).output().unwrap(), 0);
    ended(&tiny.distill(&["teach", "tiny.toml"]).output().unwrap(), 0);
    let reader = Reader::open(&tiny.store()).unwrap();
    assert_eq!(reader.progress(0).unwrap().done, 40);
    assert!(reader.setting("accepted/0").unwrap().unwrap().contains("questions"));
    assert_eq!(digest(&tiny.store()), digest(&Tiny::taught().store()));
}
