use std::num::NonZeroU32;

use pupil_models::answer::{AnswerKind, Grader};

use super::*;
use crate::dataset::Example;
use crate::dataset::tests::{published_split, shared_data};
use crate::rationale::RationaleRow;
use crate::teacher::recorded::RecordedTeacher;
use crate::teacher::{Completion, Finish, teach};

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
            Verdict::Weigh { .. } => "weigh".to_owned(),
            Verdict::Reject(reason) => reason.to_string(),
        })
        .collect();
    assert_eq!(reasons, ["keep", "wrong answer `no`", "empty rationale", "no answer", "keep"]);
    assert_eq!(counts.to_string(), "kept 2 of 5 (empty rationale 1, no answer 1, wrong answer 1)");
    let mut judge = Judge::new(&FilterPlan::default(), published()).unwrap();
    let verdicts: Vec<Verdict> = rows.iter().map(|row| judge.judge(row).verdict).collect();
    assert!(judged.iter().map(|(_, verdict)| verdict).eq(&verdicts), "the default criteria are the published filter");
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
        let examples = published_split(&data, task, "train");
        let rows = teach(&teacher, &examples).unwrap();
        assert!(rows.iter().map(|row| &row.example).eq(&examples), "{task}");
        let (_, counts) = published().filter(rows);
        println!("{task}: {counts}");
        assert_eq!(counts.kept, kept, "{task}: {counts}");
    }
}

fn judge_of(criteria: &str) -> Judge {
    let plan = FilterPlan { criteria: criteria_of(criteria), ..FilterPlan::default() };
    Judge::new(&plan, published()).unwrap()
}

fn criteria_of(criteria: &str) -> Vec<Criterion> {
    #[derive(serde::Deserialize)]
    struct Table {
        criteria: Vec<Criterion>,
    }
    toml::from_str::<Table>(&format!("criteria = [{criteria}]")).unwrap().criteria
}

/// Criterion, rationale, what is said against it.
const CASES: &[(&str, &str, Option<&str>)] = &[
    ("\"rationale\"", " \n\t", Some("empty rationale")),
    ("\"rationale\"", "so", None),
    ("\"answer\"", "so 4 --> 4", Some("wrong answer `4`")),
    ("\"answer\"", "so 5 --> 5.0", None),
    ("\"answer_given\"", "so 4 --> 4", None),
    ("\"answer_given\"", "who knows --> nobody", Some("no answer")),
    ("\"marker\"", "so it is 5", Some("no marker `-->`")),
    ("\"marker\"", "so it is --> 5", None),
    ("\"truncated\"", "so we add 3 and", Some("truncated: it ends with `and`")),
    ("\"truncated\"", "so it is 5", None),
    ("{ length = { least_words = 3 } }", "five apples --> 5", Some("too short: 2 words")),
    ("{ length = { most_words = 3 } }", "there are five apples --> 5", Some("too long: 4 words")),
    ("{ length = { least_characters = 2, most_characters = 3 } }", "é", Some("too short: 1 characters")),
    ("{ length = { least_characters = 2, most_characters = 3 } }", " été ", None),
    (
        "\"repetition\"",
        "so so so so so so so so so so so so so so so so",
        Some("repetition: it ends in 1 words over and over"),
    ),
    ("\"repetition\"", "so it is", None),
    ("\"arithmetic\"", "He has 2 + 2\n= 5 --> 4", Some("wrong arithmetic `2 + 2 = 5`")),
    ("\"arithmetic\"", "He has 2 + 2 = 4 --> 2 + 2 = 5", None),
    ("\"support\"", "He has six. --> 5", Some("unsupported `5`")),
    ("\"support\"", "He has five. --> 5", None),
    ("\"language\"", "所以答案是 5", Some("other language: 100 % of the letters are not Latin")),
    ("\"language\"", "2 + 3 = 5", None),
    ("\"refusal\"", "I’m Joe. I'm sorry for 5", None),
    ("\"refusal\"", "I cannot answer that.", Some("refusal `i cannot`")),
    ("\"echo\"", "How many apples does Joan have?", Some("echo: 100 % of the groups of words are the question's")),
    ("\"echo\"", "Joan has two and three apples.", None),
];

#[test]
fn each_criterion_objects_to_what_it_should() {
    for (criterion, rationale, expected) in CASES {
        let mut row = row("svamp", "5.0", rationale, None);
        row.example.question = "How many apples does Joan have?".to_owned();
        let found = judge_of(criterion).judge(&row).verdict.reason().map(ToString::to_string);
        assert_eq!(found.as_deref(), *expected, "{criterion}: {rationale}");
    }
}

#[test]
fn finish_reasons_are_believed() {
    let with = |finish: &str| {
        let mut row = row("svamp", "5.0", "so it is and", Some("5"));
        row.completion.finish = Some(Finish::from(finish.to_owned()));
        judge_of("\"truncated\", \"content_filter\"").judge(&row).verdict.reason().map(Reason::code)
    };
    assert_eq!(with("length"), Some("truncated"));
    assert_eq!(with("stop"), None);
    assert_eq!(with("content_filter"), Some("content_filter"));
}

#[test]
fn duplicates_are_of_kept_completions_of_the_same_question() {
    let texts = [
        ("0", "one two three four --> 4", Some("wrong_answer")),
        ("0", "one two three four --> 5", None),
        ("0", " one two three four --> 5", Some("exact_duplicate")),
        ("0", "One two three, four! --> 5", Some("near_duplicate")),
        ("0", "one two three five --> 5", None),
        ("1", "one two three four --> 5", None),
    ];
    let mut judge = judge_of("\"answer\", \"exact_duplicate\", { near_duplicate = { jaccard = 0.9 } }");
    for (index, (id, text, expected)) in (0..).zip(texts) {
        let mut row = row("svamp", "5.0", text, None);
        row.example.id = format!("svamp/{id}");
        row.completion.index = index;
        let verdict = judge.judge(&row).verdict;
        assert_eq!(verdict.reason().map(Reason::code), expected, "{text}");
        if let Some(Reason::NearDuplicate { of, percent }) = verdict.reason() {
            assert_eq!((*of, *percent), (1, 100));
        }
    }
}

#[test]
fn the_first_criterion_in_order_decides_and_reports_never_do() {
    let bad = row("svamp", "5.0", "2 + 2 = 5 --> 4", None);
    let first = |criteria| judge_of(criteria).judge(&bad).verdict.reason().map(Reason::code);
    assert_eq!(first("\"answer\", \"arithmetic\""), Some("wrong_answer"));
    assert_eq!(first("\"arithmetic\", \"answer\""), Some("wrong_arithmetic"));
    assert_eq!(first(""), None);
    let report = criteria_of("\"answer\", \"arithmetic\"");
    let plan = FilterPlan { criteria: criteria_of("\"rationale\""), report, ..FilterPlan::default() };
    let mut judge = Judge::new(&plan, published()).unwrap();
    let judgement = judge.judge(&bad);
    assert_eq!(judgement.verdict, Verdict::Keep);
    assert_eq!(judgement.reported.iter().map(Reason::code).collect::<Vec<_>>(), ["wrong_answer", "wrong_arithmetic"]);
    let found: Vec<bool> = judge.explain(&bad).iter().map(|finding| finding.objection.is_some()).collect();
    assert_eq!(found, [false, true, true]);
}

#[test]
fn criteria_that_weigh_multiply_their_weights_and_reject_nothing() {
    let weighing = |criterion: &str, weight: f64| Weighing {
        criterion: criteria_of(criterion).remove(0),
        weight: SampleWeight::try_from(weight).unwrap(),
    };
    let weigh =
        vec![weighing("\"arithmetic\"", 0.25), weighing("\"exact_duplicate\"", 0.5), weighing("\"support\"", 1.0)];
    let plan = FilterPlan { criteria: criteria_of("\"answer\""), weigh, report: Vec::new() };
    let mut judge = Judge::new(&plan, published()).unwrap();
    let mut counts = Judge::counts(&plan);
    let mut weigh = |index: u32, text: &str| {
        let mut row = row("svamp", "5.0", text, None);
        row.completion.index = index;
        let verdict = judge.judge(&row).verdict;
        counts.add(&verdict);
        (verdict.is_keep(), verdict.weight().get(), verdict.reasons().iter().map(Reason::code).collect::<Vec<_>>())
    };
    assert_eq!(weigh(0, "2 + 3 = 5 --> 5"), (true, 1.0, vec![]));
    assert_eq!(weigh(1, "2 + 2 = 5 --> 5"), (true, 0.25, vec!["wrong_arithmetic"]));
    assert_eq!(weigh(2, "2 + 2 = 5 --> 5"), (true, 0.125, vec!["wrong_arithmetic", "exact_duplicate"]));
    assert_eq!(weigh(3, "that is four --> 5"), (true, 1.0, vec!["unsupported"]));
    assert_eq!(weigh(4, "2 + 2 = 5 --> 4"), (false, 1.0, vec!["wrong_answer"]));
    assert_eq!((counts.kept, counts.down_weighted, counts.total()), (4, 2, 5));
    assert_eq!(
        counts.to_string(),
        "kept 4 of 5 (wrong answer 1, no answer 0); 2 of the kept count less: wrong arithmetic 2, exact duplicate 1, \
         unsupported 1"
    );
}

#[test]
fn hand_checked_lists_and_test_questions_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (list, data) = (folder.path().join("ids.txt"), folder.path().join("svamp.jsonl"));
    std::fs::write(&list, "svamp/0#0\n\nsvamp/1\n").unwrap();
    let question = "Joan has five apples and eats three of them, how many has she now?";
    std::fs::write(&data, format!("{{\"id\": 7, \"question\": \"{question}\", \"answer\": \"2\"}}\n")).unwrap();
    let criteria = format!("{{ hand_checked = {list:?} }}, {{ contamination = {{ data = {data:?}, ngram = 8 }} }}");
    let mut judge = judge_of(&criteria);
    let mut verdict = |id: &str, index: u32, text: &str| {
        let mut row = row("svamp", "5.0", text, None);
        row.example.id = format!("svamp/{id}");
        row.completion.index = index;
        judge.judge(&row).verdict.reason().map(ToString::to_string)
    };
    assert_eq!(verdict("0", 0, "so"), None);
    assert_eq!(verdict("0", 1, "so").as_deref(), Some("not listed"));
    assert_eq!(verdict("1", 5, "so"), None);
    let quotation = "Joan has five apples, and eats three of them!";
    assert_eq!(verdict("1", 6, quotation).as_deref(), Some("contamination with the test example `svamp/7`"));
    let missing = judge_error("{ hand_checked = \"nowhere.txt\" }");
    assert!(missing.contains("nowhere.txt"), "{missing}");
}

fn judge_error(criteria: &str) -> String {
    let plan = FilterPlan { criteria: criteria_of(criteria), ..FilterPlan::default() };
    Judge::new(&plan, published()).unwrap_err().to_string()
}

#[test]
fn every_code_is_a_reason_of_some_criterion() {
    let all = "\"rationale\", \"answer\", \"marker\", \"truncated\", \"content_filter\", { length = { least_words = 3 } }, \
        \"repetition\", \"exact_duplicate\", \"near_duplicate\", { contamination = { data = \"d\" } }, \"arithmetic\", \
        \"support\", \"language\", \"refusal\", \"echo\", { hand_checked = \"h\" }";
    let criteria = criteria_of(all);
    let codes: Vec<&str> = criteria.iter().flat_map(Criterion::codes).copied().collect();
    assert_eq!(codes, Reason::CODES);
    let written = serde_json::to_string(&criteria).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Criterion>>(&written).unwrap(), criteria, "{written}");
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd_for_the_judge(texts in proptest::collection::vec("(\\PC|[0-9=+ .]|so |-->|\n){0,50}", 1..4)) {
        let mut judge = judge_of(
            "\"truncated\", { length = { least_words = 1 } }, \"repetition\", \"exact_duplicate\", \"near_duplicate\", \
             \"arithmetic\", \"support\", \"language\", \"refusal\", \"echo\"",
        );
        for text in texts {
            let row = row("svamp", "5.0", &text, None);
            judge.judge(&row);
            judge.explain(&row);
        }
    }
}
