use std::error::Error;
use std::fs;

use tempfile::TempDir;

use super::*;

/// `../shared/data`, or what `PUPIL_DATA` says; `None`, with the reason printed, where it is absent.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("PUPIL_DATA").map_or_else(beside, PathBuf::from);
    if folder.join("datasets").is_dir() {
        return Some(folder);
    }
    println!("skipped: no data in `{}`; set PUPIL_DATA to the folder that holds `datasets`", folder.display());
    None
}

/// The examples of one published split.
pub(crate) fn published_split(data: &Path, task: &str, name: &str) -> Vec<Example> {
    let dataset = Dataset::read(&data.join(format!("datasets/{task}.jsonl"))).unwrap();
    dataset.split(&data.join(format!("splits/{task}__default.json")), name).unwrap()
}

fn write(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coin_flip.jsonl");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn rows_of_two() -> (TempDir, Dataset) {
    let (folder, path) = write(
        "\u{feff}{\"id\": 0, \"question\": \"Heads?\", \"answer\": \"yes\", \"split\": \"test\"}\r\n\r\n{\"id\": \"dev-1\", \"question\": \"Tails?\", \"answer\": \"no\"}",
    );
    let dataset = Dataset::read(&path).unwrap();
    (folder, dataset)
}

/// The message of `error` and of everything below it.
fn chain(error: &DatasetError) -> String {
    let messages = std::iter::successors(Some(error as &dyn Error), |error| (*error).source());
    messages.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn byte_order_mark_windows_line_ends_and_unknown_keys_are_accepted() {
    let (_folder, dataset) = rows_of_two();
    assert_eq!(dataset.task(), "coin_flip");
    assert_eq!(
        dataset.examples(),
        [Example::new("coin_flip", "0", "Heads?", "yes"), Example::new("coin_flip", "dev-1", "Tails?", "no")]
    );
    assert_eq!(dataset.examples()[0].id, "coin_flip/0");
}

#[test]
fn each_bad_row_is_named_by_line_and_key() {
    let good = r#"{"id": 0, "question": "Heads?", "answer": "yes"}"#;
    let cases = [
        (r#"{"id": 1, "question": "Heads?"}"#, "key `answer`: expected a text, found nothing"),
        (r#"{"id": 1, "question": "Heads?", "answer": 3}"#, "key `answer`: expected a text, found `3`"),
        (r#"{"id": 1, "question": " ", "answer": "no"}"#, "key `question`: expected a text with something in it"),
        (r#"{"id": -1, "question": "Heads?", "answer": "no"}"#, "key `id`: expected a whole number from 0, or a text"),
        (r#"{"id": 0, "question": "Heads?", "answer": "no"}"#, "key `id`: expected an id that no row before has"),
        (r#"["id"]"#, "expected a JSON object, found a list"),
        (
            r#"{"id": 1"#,
            "expected a JSON object, found text that is not JSON (EOF while parsing an object at column 8)",
        ),
    ];
    for (bad, expected) in cases {
        let (_folder, path) = write(&format!("{good}\n{bad}\n"));
        let message = chain(&Dataset::read(&path).unwrap_err());
        assert!(message.contains("coin_flip.jsonl`, line 2"), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_missing_and_an_empty_file_are_refused() {
    let (folder, path) = write("\n\n");
    assert!(chain(&Dataset::read(&path).unwrap_err()).contains("expected at least one row, found none"));
    let message = chain(&Dataset::read(&folder.path().join("none.jsonl")).unwrap_err());
    assert!(message.contains("none.jsonl"), "{message}");
}

#[test]
fn a_split_gives_its_examples_in_its_order() {
    let (folder, dataset) = rows_of_two();
    let path = folder.path().join("split.json");
    fs::write(&path, r#"{"train": ["dev-1", 0], "test": []}"#).unwrap();
    let ids: Vec<_> = dataset.split(&path, "train").unwrap().into_iter().map(|example| example.id).collect();
    assert_eq!(ids, ["coin_flip/dev-1", "coin_flip/0"]);
    assert!(dataset.split(&path, "test").unwrap().is_empty());
}

#[test]
fn each_bad_split_is_named() {
    let (folder, dataset) = rows_of_two();
    let path = folder.path().join("split.json");
    let cases = [
        (r#"{"train": [0], "test": []}"#, "expected one of its splits `train`, `test`, found `dev`"),
        (r#"{"dev": [7]}"#, "found `7`, which is none of them"),
        (r#"{"dev": [0, 0]}"#, "expected every id of `dev` once, found `0` again"),
        (r#"{"dev": 0}"#, "expected `dev` to be a list of ids, found `0`"),
        (r#"{"dev": [0.5]}"#, "expected `dev` to list whole numbers or texts, found `0.5`"),
        (r"[0]", "expected an object of lists of ids"),
    ];
    for (text, expected) in cases {
        fs::write(&path, text).unwrap();
        let message = chain(&dataset.split(&path, "dev").unwrap_err());
        assert!(message.contains("split.json"), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_reference_ends_at_its_last_colon() {
    let reference: SplitReference = "C:/split.json:test".parse().unwrap();
    assert_eq!((reference.path.as_path(), reference.name.as_str()), (Path::new("C:/split.json"), "test"));
    assert_eq!(reference.to_string(), "C:/split.json:test");
    for bad in ["split.json", ":test", "split.json:"] {
        assert!(bad.parse::<SplitReference>().unwrap_err().to_string().contains(&format!("`{bad}`")));
    }
}

#[test]
fn every_published_dataset_and_split_is_read() {
    let Some(data) = shared_data() else { return };
    // Rows for training and for testing, as the data's own page counts them.
    let sizes = [
        ("single_eq", 356, 152),
        ("addsub", 276, 119),
        ("multiarith", 420, 180),
        ("svamp", 700, 300),
        ("gsm8k", 7473, 1319),
        ("commonsense_qa", 9741, 1221),
        ("strategy_qa", 1603, 687),
        ("date_understanding", 258, 111),
        ("tracking_shuffled_objects", 525, 225),
        ("coin_flip", 350, 150),
        ("last_letter_concatenation", 350, 150),
    ];
    for (task, train, test) in sizes {
        let found = ["train", "test"].map(|name| published_split(&data, task, name).len());
        assert_eq!(found, [train, test], "{task}");
    }
}

#[test]
fn a_split_of_rows_that_the_data_does_not_hold_is_refused() {
    let Some(data) = shared_data() else { return };
    // Only the test rows of aqua are stored; its split file lists the training rows too.
    let dataset = Dataset::read(&data.join("datasets/aqua.jsonl")).unwrap();
    let split = data.join("splits/aqua__default.json");
    assert_eq!(dataset.split(&split, "test").unwrap().len(), dataset.examples().len());
    assert!(matches!(dataset.split(&split, "train"), Err(DatasetError::UnknownId { .. })));
}
