use std::error::Error;
use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::dataset::tests::{published_split, shared_data};
use crate::teacher::teach;

const ONE: NonZeroU32 = NonZeroU32::MIN;

fn recording(id: u32, index: u32) -> Value {
    json!({
        "dataset": "coin_flip", "sample_index": id, "completion_index": index, "question": "Heads  up \n?",
        "answer": "yes", "prompt": null, "rationale": format!(" rationale {index}"), "prediction": " yes.",
        "finish_reason": "length",
    })
}

fn example(id: &str) -> Example {
    Example::new("coin_flip", id, "Heads up\n?", "yes")
}

fn file(rows: &[Value]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large-model-1.5.coin_flip.jsonl");
    fs::write(&path, rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")).unwrap();
    (folder, path)
}

#[test]
fn completions_below_the_degree_are_replayed_and_missing_ones_counted() {
    let (_folder, path) = file(&[recording(3, 1), recording(3, 0), recording(3, 2), recording(3, 0), recording(30, 0)]);
    let teacher = RecordedTeacher::read(&path, NonZeroU32::new(2).unwrap()).unwrap();
    let (rows, taught) = teach(&teacher, &[example("3"), example("4")]).unwrap();
    let rationales: Vec<_> = rows.iter().map(|row| row.completion.rationale.as_str()).collect();
    assert_eq!(rationales, [" rationale 0", " rationale 1"]);
    assert_eq!((taught.examples, taught.completions, taught.missing), (2, 2, 1));
    assert_eq!(rows[0].teacher, "large-model-1.5");
    assert_eq!(rows[0].completion.finish, Some(Finish::Length));
}

#[test]
fn a_recording_of_another_question_or_answer_is_refused() {
    let (_folder, path) = file(&[recording(3, 0)]);
    let teacher = RecordedTeacher::read(&path, ONE).unwrap();
    let other_question = Example { question: "Tails up?".to_owned(), ..example("3") };
    let message = teacher.completions(&other_question).unwrap_err().to_string();
    assert!(
        message.contains("line 1: expected the question of example `coin_flip/3`, `Tails up?`, found"),
        "{message}"
    );
    let other_answer = Example { gold: "no".to_owned(), ..example("3") };
    let message = teacher.completions(&other_answer).unwrap_err().to_string();
    assert!(message.contains("expected the answer of example `coin_flip/3`, `no`, found `yes`"), "{message}");
}

#[test]
fn two_different_recordings_of_one_completion_are_refused() {
    let mut other = recording(3, 0);
    other["rationale"] = json!("another");
    let (_folder, path) = file(&[recording(3, 0), other]);
    let error = RecordedTeacher::read(&path, ONE).unwrap_err();
    let message = error.source().unwrap().to_string();
    let expected =
        "line 2, key `completion_index`: expected completion 0 of `coin_flip/3` as on line 1, found another one";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_row_without_rationale_and_an_empty_file_are_refused() {
    let mut row = recording(3, 0);
    row["rationale"] = Value::Null;
    let (_folder, path) = file(&[row]);
    let error = RecordedTeacher::read(&path, ONE).unwrap_err();
    let message = error.source().unwrap().to_string();
    assert!(message.contains("line 1, key `rationale`: expected a text, found `null`"), "{message}");
    let (_folder, path) = file(&[]);
    assert!(matches!(RecordedTeacher::read(&path, ONE), Err(TeachError::Empty { .. })));
}

#[test]
fn the_published_recordings_belong_to_the_published_questions() {
    let Some(data) = shared_data() else { return };
    // Completions 1 to 4 of eight questions are the repeated ones that the data's own page mentions.
    for (task, degree, expected) in [
        ("tracking_shuffled_objects", 1, 750),
        ("tracking_shuffled_objects", 5, 782),
        ("coin_flip", 5, 532),
        ("multiarith", 25, 792),
    ] {
        let path = data.join(format!("teacher/text-davinci-002.{task}.jsonl"));
        let teacher = RecordedTeacher::read(&path, NonZeroU32::new(degree).unwrap()).unwrap();
        let examples = ["train", "test"].map(|name| published_split(&data, task, name)).concat();
        let (rows, taught) = teach(&teacher, &examples).unwrap();
        assert_eq!((rows.len(), taught.missing), (expected, 0), "{task}");
        assert_eq!(teacher.name(), "text-davinci-002");
    }
}
