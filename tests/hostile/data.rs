//! Datasets, splits and recorded completions that are refused.

use std::fs;

use crate::micro::Micro;
use crate::refused;

/// An experiment whose teacher replays two completions about two examples.
fn recorded() -> Micro {
    let micro = Micro::new();
    let path = micro.path("experiment.toml");
    let text = fs::read_to_string(&path).unwrap();
    let (source, tokenizer) = (text.find("[[source]]").unwrap(), text.find("[tokenizer]").unwrap());
    let recorded = "[[source]]\nteacher = \"recorded\"\ndata = \"coin_flip.jsonl\"\nsplit = \"coins.json:train\"\n\
        completions = \"large.coin_flip.jsonl\"\n\n";
    fs::write(path, format!("{}{recorded}{}", &text[..source], &text[tokenizer..])).unwrap();
    fs::write(micro.path("coins.json"), r#"{"train": [1, 2], "test": []}"#).unwrap();
    let (mut examples, mut completions) = (String::new(), String::new());
    for (id, answer) in [(1, "yes"), (2, "no")] {
        let question = format!("Is coin {id} heads up?");
        examples += &(serde_json::json!({"id": id, "question": question, "answer": answer}).to_string() + "\n");
        let row = serde_json::json!({"dataset": "coin_flip", "sample_index": id, "completion_index": 0, "question": question,
            "answer": answer, "prompt": null, "rationale": "It is.", "prediction": answer, "finish_reason": "stop"});
        completions += &(row.to_string() + "\n");
    }
    fs::write(micro.path("coin_flip.jsonl"), examples).unwrap();
    fs::write(micro.path("large.coin_flip.jsonl"), completions).unwrap();
    micro
}

/// Replaces a text of a file.
fn spoil(micro: &Micro, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(micro.path(name)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(micro.path(name), text.replace(from, to)).unwrap();
}

#[test]
fn the_unspoilt_recordings_are_taught() {
    let micro = recorded();
    let output = micro.stage("samples").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn each_missing_file_is_named() {
    for name in
        ["coin_flip.jsonl", "coins.json", "large.coin_flip.jsonl", "last_letter_concatenation.jsonl", "split.json"]
    {
        let micro = recorded();
        fs::remove_file(micro.path(name)).unwrap();
        let printed = refused(&micro, &mut micro.stage("run"));
        assert!(
            printed.contains(&format!("{name}`\n  because: ")) && printed.contains("No such file"),
            "{name}: {printed}"
        );
    }
}

#[test]
fn a_wrong_row_is_named_with_file_and_line() {
    for (file, from, to, expected) in [
        ("coin_flip.jsonl", "{\"id\":2,", "\"id\":2,", "coin_flip.jsonl`, line 2: expected a JSON object, found "),
        (
            "coin_flip.jsonl",
            "{\"id\":2,",
            "{\"id\":1,",
            "coin_flip.jsonl`, line 2, key `id`: expected an id that no row before has, found `1` again",
        ),
        (
            "coin_flip.jsonl",
            "\"answer\":\"no\"",
            "\"reply\":\"no\"",
            "coin_flip.jsonl`, line 2, key `answer`: expected a text, found nothing",
        ),
        (
            "large.coin_flip.jsonl",
            "\"sample_index\":2",
            "\"sample_index\":-2",
            "large.coin_flip.jsonl`, line 2, key `sample_index`: expected a whole number from 0, or a text, found `-2`",
        ),
        (
            "large.coin_flip.jsonl",
            "Is coin 2",
            "Is cent 2",
            "large.coin_flip.jsonl`, line 2: expected the question of example `coin_flip/2`, `Is coin 2 heads up?`, found `Is cent 2 heads up?`",
        ),
    ] {
        let micro = recorded();
        spoil(&micro, file, from, to);
        let printed = refused(&micro, &mut micro.stage("teach"));
        assert!(printed.contains(expected), "{printed}");
    }
}

#[test]
fn a_split_that_is_not_there() {
    let micro = recorded();
    micro.change("coins.json:train", "coins.json:tarin");
    let printed = refused(&micro, &mut micro.stage("run"));
    assert!(printed.contains("coins.json`: expected one of its splits `train`, `test`, found `tarin`"), "{printed}");
    let micro = recorded();
    micro.change("split.json:test", "split.json:exam");
    let printed = refused(&micro, &mut micro.stage("run"));
    assert!(printed.contains("split.json`: expected one of its splits `train`, `test`, found `exam`"), "{printed}");
}

#[test]
fn nothing_but_wrong_answers() {
    let micro = recorded();
    spoil(&micro, "large.coin_flip.jsonl", "\"prediction\":\"yes\"", "\"prediction\":\"maybe\"");
    spoil(&micro, "large.coin_flip.jsonl", "\"prediction\":\"no\"", "\"prediction\":\"maybe\"");
    assert!(micro.stage("teach").output().unwrap().status.success());
    let expected = "error: nothing to train on: expected at least one kept rationale, found none among 2\n";
    // The verdicts stay, because they say why.
    assert!(!micro.stage("filter").output().unwrap().status.success());
    assert!(refused(&micro, &mut micro.stage("run")).starts_with(expected));
}

#[test]
fn rationales_longer_than_the_context() {
    let micro = recorded();
    micro.change("context_tokens = 192", "context_tokens = 16");
    assert!(micro.stage("filter").output().unwrap().status.success());
    let output = micro.stage("samples").output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(printed.contains("error: no training sample fits: expected at most 16 tokens, found "), "{printed}");
    assert!(!micro.run_folder().join("samples.jsonl").exists());
}
