use std::num::NonZeroU32;

use super::*;
use crate::dataset::Example;
use crate::dataset::tests::{published_split, shared_data};
use crate::teacher::recorded::RecordedTeacher;
use crate::teacher::{Completion, teach};

fn published() -> Filter {
    Filter { grader: Grader::Published, marker: Some("-->".to_owned()), kind: AnswerKind::Text }
}

fn row(task: &str, gold: &str, rationale: &str, prediction: Option<&str>) -> RationaleRow {
    let completion = Completion {
        index: 0,
        prompt: None,
        rationale: rationale.to_owned(),
        prediction: prediction.map(str::to_owned),
        finish: None,
        ..Completion::default()
    };
    RationaleRow { example: Example::new(task, "0", "?", gold), teacher: "scripted".to_owned(), completion }
}

#[test]
fn the_second_step_alone_is_graded_by_its_first_candidate() {
    let kept = row("tracking_shuffled_objects", "C", "so it is A", Some(" (C), not B --> A"));
    assert_eq!(published().verdict(&kept), Verdict::Keep);
    let wrong = row("tracking_shuffled_objects", "C", "so it is C", Some(" B, not C"));
    let reason = Reason::WrongAnswer { prediction: "B".to_owned() };
    assert_eq!(published().verdict(&wrong), Verdict::Reject(reason));
    let none = row("coin_flip", "yes", "so it is yes", Some(" unclear"));
    assert_eq!(published().verdict(&none), Verdict::Reject(Reason::NoAnswer));
}

#[test]
fn without_a_second_step_the_rationale_is_graded_after_its_marker() {
    let kept = row("svamp", "51.0", "76 - 25 is 51 --> 51 dollars, of 76", None);
    assert_eq!(published().verdict(&kept), Verdict::Keep);
    let wrong = row("svamp", "51.0", "76 - 25 is 51 --> 76", None);
    assert!(matches!(published().verdict(&wrong), Verdict::Reject(Reason::WrongAnswer { .. })));
    let unmarked = row("svamp", "51.0", "76 - 25 is 51", None);
    assert_eq!(published().verdict(&unmarked), Verdict::Keep, "the last candidate counts where there is no marker");
}

#[test]
fn other_tasks_are_graded_by_the_given_kind() {
    let filter = Filter { kind: AnswerKind::YesNo, ..published() };
    assert_eq!(filter.verdict(&row("doors", "no", "it is shut", Some(" No. Why?"))), Verdict::Keep);
    // The kind of a published task is its own, whatever is given for others.
    assert_eq!(filter.verdict(&row("multiarith", "39", "13 * 3", Some(" 39"))), Verdict::Keep);
}

#[test]
fn verdicts_come_in_order_and_are_counted() {
    let rows = vec![
        row("coin_flip", "yes", "heads", Some("yes")),
        row("coin_flip", "yes", "tails", Some("no")),
        row("coin_flip", "yes", " \n", Some("yes")),
        row("coin_flip", "yes", "who knows", Some("perhaps")),
        row("coin_flip", "no", "tails", Some("no")),
    ];
    let (judged, counts) = published().filter(rows.clone());
    assert!(judged.iter().map(|(row, _)| row).eq(&rows));
    let reasons: Vec<_> = judged
        .iter()
        .map(|(_, verdict)| match verdict {
            Verdict::Keep => "keep".to_owned(),
            Verdict::Reject(reason) => reason.to_string(),
        })
        .collect();
    assert_eq!(reasons, ["keep", "wrong answer `no`", "empty rationale", "no answer", "keep"]);
    assert_eq!(counts, Counts { kept: 2, empty_rationale: 1, no_answer: 1, wrong_answer: 1 });
    assert_eq!(counts.to_string(), "kept 2 of 5 (wrong answer 1, no answer 1, empty rationale 1)");
    assert_eq!(
        serde_json::to_string(&judged[1].1).unwrap(),
        r#"{"reject":{"wrong_answer":{"prediction":"no"}}}"#,
        "verdicts are written into files"
    );
}

#[test]
fn the_published_training_sets_have_their_published_sizes() {
    let Some(data) = shared_data() else { return };
    let sizes = [
        ("single_eq", 289),
        ("addsub", 209),
        ("multiarith", 323),
        ("svamp", 448),
        ("tracking_shuffled_objects", 284),
        ("last_letter_concatenation", 201),
        ("coin_flip", 314),
    ];
    for (task, kept) in sizes {
        let path = data.join(format!("teacher/text-davinci-002.{task}.jsonl"));
        let teacher = RecordedTeacher::read(&path, NonZeroU32::MIN).unwrap();
        let (rows, taught) = teach(&teacher, &published_split(&data, task, "train")).unwrap();
        assert_eq!((taught.completions, taught.missing), (taught.examples, 0), "{task}");
        let (_, counts) = published().filter(rows);
        println!("{task}: {counts}");
        assert_eq!(counts.kept, kept, "{task}: {counts}");
    }
}
