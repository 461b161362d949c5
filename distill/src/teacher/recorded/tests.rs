use std::error::Error;
use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::dataset::tests::{published_split, shared_data};
use crate::rationale::RationaleRow;
use crate::teacher::{Finish, teach};

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

/// Examples that these rows, which come in the examples' order, are about.
fn examples_of(rows: &[RationaleRow]) -> usize {
    rows.chunk_by(|one, other| one.example.id == other.example.id).count()
}

#[test]
fn completions_below_the_degree_are_replayed_and_a_missing_one_is_no_error() {
    let (_folder, path) = file(&[recording(3, 1), recording(3, 0), recording(3, 2), recording(3, 0), recording(30, 0)]);
    let teacher = RecordedTeacher::read(&path, NonZeroU32::new(2).unwrap()).unwrap();
    let rows = teach(&teacher, &[example("3"), example("4")]).unwrap();
    let rationales: Vec<_> = rows.iter().map(|row| row.completion.rationale.as_str()).collect();
    assert_eq!(rationales, [" rationale 0", " rationale 1"]);
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
    let message = RecordedTeacher::read(&path, ONE).unwrap_err().to_string();
    let expected = "line 2: expected completion 0 of `coin_flip/3` as at line 1, found another one";
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
    assert!(matches!(RecordedTeacher::read(&path, ONE), Err(TeachError::Recorded(RecordedError::Empty { .. }))));
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
        let rows = teach(&teacher, &examples).unwrap();
        assert_eq!((rows.len(), examples_of(&rows)), (expected, examples.len()), "{task}");
        assert_eq!(teacher.name(), "text-davinci-002");
    }
}

/// Two examples that can be told apart, and two that cannot.
fn dataset() -> Vec<Example> {
    vec![
        Example::new("coin_flip", "3", "Heads up\n?", "yes"),
        Example::new("coin_flip", "4", "Tails up ?", "no"),
        Example::new("coin_flip", "5", "Which side?", "yes"),
        Example::new("coin_flip", "6", "Which  side?", "no"),
    ]
}

/// What a file says about example 3, and what it leaves out.
fn about(text: &str, degree: u32) -> Result<(RecordedTeacher, Vec<Completion>), TeachError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.coin_flip.jsonl");
    fs::write(&path, text).unwrap();
    let teacher = RecordedTeacher::read_about(&path, NonZeroU32::new(degree).unwrap(), &dataset())?;
    let completions = teacher.completions(&dataset()[0])?;
    Ok((teacher, completions))
}

fn only(text: &str) -> (Format, Completion) {
    let (teacher, mut completions) = about(text, 8).unwrap();
    assert_eq!(completions.len(), 1, "{text}");
    (teacher.format(), completions.remove(0))
}

#[test]
fn rationales_come_back_from_the_files_that_we_write() {
    let rationale =
        Completion { index: 2, rationale: "Nobody flips.".to_owned(), seed: Some(9), ..Completion::default() };
    let row = crate::rationale::RationaleRow {
        example: dataset().remove(0),
        teacher: "another".to_owned(),
        completion: rationale.clone(),
    };
    assert_eq!(only(&serde_json::to_string(&row).unwrap()), (Format::Rationales, rationale));
}

#[test]
fn published_completion_files_of_two_steps_and_of_one() {
    let two_steps = json!({
        "metadata": {"base_model": "text-davinci-002", "dataset_key": "coin_flip", "completion_key": "zs_cot",
            "prediction_template": null, "method": "zero_shot_cot", "parameters": {"temperature": 0}},
        "data": {"3": [{"sample_index": 3, "completion_index": 0, "question": "Heads up ?", "answer": "yes",
            "reasoning_prompt": "Q: Heads up\n?\nA: Let's think step by step.", "reasoning_completion": " \n\nNo flip.",
            "reasoning_finish_reason": "length", "prompt": "…\nTherefore, the answer is", "completion": " yes.",
            "finish_reason": "stop"}]},
    });
    let expected = Completion {
        prompt: Some("Q: Heads up\n?\nA: Let's think step by step.".to_owned()),
        rationale: " \n\nNo flip.".to_owned(),
        prediction: Some(" yes.".to_owned()),
        finish: Some(Finish::Length),
        answer_finish: Some(Finish::Stop),
        ..Completion::default()
    };
    // On one line or on many, a document is a document.
    for text in [two_steps.to_string(), serde_json::to_string_pretty(&two_steps).unwrap()] {
        assert_eq!(only(&text), (Format::CompletionDataset, expected.clone()));
    }
    for (key, marker) in [("ft_cot", Some("-->")), ("fs_cot", Some("The answer is")), ("zs", None)] {
        let one_step = json!({
            "metadata": {"dataset_key": "coin_flip", "completion_key": key},
            "data": {"3": [{"question": "Heads up?", "answer": "yes", "prompt": "p", "completion": " r --> yes"}]},
        });
        let (_, completion) = only(&one_step.to_string());
        assert_eq!(completion.marker.as_deref(), marker, "{key}");
        let text = if marker.is_some() { &completion.rationale } else { completion.prediction.as_ref().unwrap() };
        assert_eq!(text, " r --> yes");
    }
}

#[test]
fn published_fine_tune_files_are_matched_by_their_questions() {
    for (prompt, completion, reasoning) in [
        ("Heads up\n? ###", " No flip. --> yes END", " No flip. "),
        ("Heads up ?\n\n###\n\n", " No flip.\n\n-->\n\nyes END", " No flip.\n\n"),
        (
            "Q: Heads up?\n\nA: Let's think step by step.\n\n",
            " No flip.\n\nTherefore the answer is yes",
            " No flip.\n\n",
        ),
    ] {
        let (format, found) = only(&json!({"prompt": prompt, "completion": completion}).to_string());
        assert_eq!((format, found.reasoning()), (Format::Pairs, reasoning), "{prompt}");
        assert!(found.marker.is_some() && !found.rationale.contains("END"));
    }
    let (_, vanilla) = only(&json!({"prompt": "Heads up?\n\n ### \n\n", "completion": " yes END"}).to_string());
    assert_eq!((vanilla.rationale.as_str(), vanilla.prediction.as_deref()), ("", Some(" yes")));
    let columns = json!({"sample_index": [4, 3], "input": ["Tails up? ###", "Heads up? ###"], "label": [" a --> no", " b --> yes"]});
    let (format, found) = only(&columns.to_string());
    assert_eq!((format, found.rationale.as_str()), (Format::Columns, " b --> yes"));
}

#[test]
fn rows_of_other_trainers_are_matched_by_id_or_question() {
    let user = json!({"role": "user", "content": "Heads up?"});
    let said = json!({"role": "assistant", "content": "No flip. The answer is yes"});
    let thought = json!({"role": "assistant", "reasoning_content": "No flip. ", "content": "yes"});
    let tagged = json!({"role": "assistant", "content": "<think>No flip. </think>yes"});
    let system = json!({"role": "system", "content": "Think."});
    for row in [
        json!({"prompt": "Heads up?", "completion": "No flip. The answer is yes"}),
        json!({"id": 3, "prompt": "Please: Heads up?", "completion": "No flip. The answer is yes"}),
        json!({"id": "coin_flip/3", "prompt": "Please: Heads up?", "completion": "No flip. The answer is yes"}),
        json!({"prompt": [user], "completion": [said]}),
        json!({"messages": [system, user, said]}),
        json!({"messages": [user, thought], "sample_index": 3}),
        json!({"messages": [user, tagged]}),
    ] {
        let (_, found) = only(&row.to_string());
        assert_eq!(found.reasoning(), "No flip. ", "{row}");
        assert!(found.marker.is_some() != found.prediction.is_some(), "{row}");
    }
}

#[test]
fn rows_are_numbered_by_example_and_those_of_no_example_are_left_out() {
    let row = |question: &str, text: &str| json!({"prompt": question, "completion": text}).to_string();
    let rows = [
        row("Tails up?", "t"),
        row("Heads up?", "first"),
        row("Edge up?", "e"),
        row("Which side?", "w"),
        row("Heads up ?", "second"),
        row("Heads up?", "third"),
    ];
    let (teacher, completions) = about(&rows.join("\n"), 2).unwrap();
    let texts: Vec<(u32, &str)> = completions.iter().map(|found| (found.index, found.rationale.as_str())).collect();
    assert_eq!(texts, [(0, "first"), (1, "second")]);
    let unmatched = teacher.unmatched();
    assert_eq!(
        (unmatched.unknown.as_slice(), unmatched.ambiguous.as_slice()),
        (&["line 3".to_owned()][..], &["line 4".to_owned()][..])
    );
    assert_eq!(unmatched.to_string(), "1 about no example: line 3; 1 about several: line 4");
    let message = about(&row("Edge up?", "e"), 1).unwrap_err().to_string();
    assert!(message.contains("rows of prompts and completions") && message.contains("found none among 1"), "{message}");
}

#[test]
fn what_is_wrong_is_named_with_the_form_and_the_place() {
    let dataset = |list: Value| json!({"metadata": {"dataset_key": "coin_flip"}, "data": {"3": list}}).to_string();
    let good = json!({"prompt": "Heads up?", "completion": "t"}).to_string();
    for (text, expected) in [
        ("{\"text\": \"t\"}".to_owned(), "found an object with the keys `text`"),
        (format!("{good}\n{{\"prompt\": 1, \"completion\": \"t\"}}"), "line 2, key `prompt`: expected a text or a list of messages"),
        (format!("{good}\n{{\"prompt\""), "line 2: expected a JSON object"),
        (json!({"messages": [{"role": "user", "content": "Heads up?"}]}).to_string(), "expected a message of the assistant, found none"),
        (dataset(json!({})), "`data.3`: expected a list of completions, found an object"),
        (dataset(json!([{"question": "Heads up?", "answer": "yes"}])), "`data.3[0]`, key `completion`: expected a text, found nothing"),
        (json!({"metadata": {}, "data": {}}).to_string(), "`metadata.dataset_key`: expected a text, found nothing"),
        (json!({"metadata": {"dataset_key": "svamp"}, "data": {"3": [{"question": "?", "answer": "1", "completion": "c"}]}}).to_string(), "found none among 1"),
        (json!({"input": ["Heads up? ###"], "label": []}).to_string(), "as many as the 1 of `input`"),
        (json!({"id": 3, "prompt": "Something else?", "completion": "t"}).to_string(), "expected the question of example `coin_flip/3`"),
        (json!({"prompt": "Heads up?", "completion": "t", "answer": "no"}).to_string(), "expected the answer of example `coin_flip/3`, `yes`, found `no`"),
    ] {
        let error = about(&text, 1).unwrap_err();
        let printed = format!("{error} / {}", error.source().map(ToString::to_string).unwrap_or_default());
        assert!(printed.contains(expected), "{printed}");
    }
}

#[test]
fn real_questions_are_found_again_in_the_published_prompts() {
    let Some(data) = shared_data() else { return };
    for task in ["coin_flip", "tracking_shuffled_objects", "svamp"] {
        let examples = ["train", "test"].map(|name| published_split(&data, task, name)).concat();
        let recorded =
            RecordedTeacher::read(&data.join(format!("teacher/text-davinci-002.{task}.jsonl")), ONE).unwrap();
        let rows = teach(&recorded, &examples).unwrap();
        let lines = rows.iter().map(|row| {
            let target = format!(" {} --> {} END", row.completion.rationale.trim(), row.example.gold);
            json!({"prompt": format!("{} ###", row.example.question.trim()), "completion": target}).to_string() + "\n"
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("F_zs_cot_{task}.jsonl"));
        fs::write(&path, lines.collect::<String>()).unwrap();
        let pairs = RecordedTeacher::read_about(&path, ONE, &examples).unwrap();
        assert!(pairs.unmatched().is_empty(), "{task}: {}", pairs.unmatched());
        let found = teach(&pairs, &examples).unwrap();
        assert_eq!(examples_of(&found), examples.len(), "{task}");
        let asked: std::collections::HashMap<String, &str> =
            rows.iter().map(|row| (row.id(), row.completion.rationale.trim())).collect();
        for row in found {
            assert_eq!(row.completion.reasoning().trim(), asked[&row.id()], "{}", row.id());
        }
    }
}
