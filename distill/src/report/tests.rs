//! Whole reports about small runs that are made here.

mod groups;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{ReportError, ReportPlan, Written, write};
use crate::dataset::Example;
use crate::filter::{Reason, Verdict};
use crate::rationale::{Accounting, ExampleKey, Record, SourceRecord, Store};
use crate::teacher::{Completion, Finish};

const HOSTILE: &str = "</pre><script>alert(1)</script><img src=x onerror=\"alert(2)\"> & <b>\u{202e}";

/// Questions of a test run's evaluation.
const QUESTIONS: u32 = 10;

fn settings(name: &str, degree: u32) -> String {
    format!(
        r#"
name = "{name}"
method = "fine_tune_cot"
[contract]
prompt = "Q: {{question}}\nA:"
answer_marker = " --> "
step_rule = "line"
answer = {{ kind = "yes_no" }}
grader = "published"
budgets = {{ rationale_tokens = 30, answer_tokens = 10 }}
[[source]]
teacher = "recorded"
degree = {degree}
[train]
seed = {degree}
"#
    )
}

/// A run with `correct` right answers in its evaluation, whose teacher wrote [`HOSTILE`].
fn whole_run(runs: &Path, name: &str, degree: u32, correct: u32) -> PathBuf {
    let folder = runs.join(name);
    fs::create_dir_all(folder.join("train")).unwrap();
    fs::write(folder.join("experiment.toml"), settings(name, degree)).unwrap();
    stored(&folder);
    evaluated(&folder, "coin_flip-test", correct);
    let metric = |step: u32, held_out: Option<f64>| {
        json!({"step": step, "epoch": 0, "loss": 2.0 / f64::from(step), "held_out_loss": held_out, "learning_rate": 1e-3,
               "gradient_norm": 1.0, "target_tokens": 10 * step})
    };
    fs::write(
        folder.join("train/metrics.jsonl"),
        format!("{}\n{}\n{{\"step\":3", metric(1, None), metric(2, Some(0.5))),
    )
    .unwrap();
    folder
}

fn stored(folder: &Path) {
    let mut store = Store::open(&folder.join("rationales.db")).unwrap();
    let source = SourceRecord { number: 0, teacher: "t<e>acher".to_owned(), settings: "{}".to_owned() };
    let examples: Vec<(u64, Example)> =
        (0..4).map(|id| (id, Example::new("coin_flip", &id.to_string(), HOSTILE, "yes"))).collect();
    store.register(&source, &examples).unwrap();
    let record = |id: u64| {
        let prediction = Some(if id < 3 { "yes" } else { "no" }.to_owned());
        let completion = Completion {
            rationale: HOSTILE.to_owned(),
            prediction,
            finish: Some(if id == 0 { Finish::Length } else { Finish::Stop }),
            ..Completion::default()
        };
        let accounting = Accounting {
            completion_tokens: Some(7),
            cost_usd: (id == 0).then_some(0.5),
            arrived_ms: Some(1_700_000_000_000 + id),
            ..Accounting::default()
        };
        Record { accounting, ..Record::done(ExampleKey::new(0, id), completion) }
    };
    store.put(&(0..4).map(record).collect::<Vec<_>>()).unwrap();
    let verdict = |id: u64| {
        let reject = Verdict::Reject(Reason::WrongAnswer { prediction: "no".to_owned() });
        (ExampleKey::new(0, id).completion(0), if id < 3 { Verdict::Keep } else { reject })
    };
    store.put_verdicts(&(0..4).map(verdict).collect::<Vec<_>>()).unwrap();
}

fn evaluated(folder: &Path, name: &str, correct: u32) {
    let (low, high) = crate::eval::wilson(correct as usize, QUESTIONS as usize);
    let accuracy = f64::from(correct) / f64::from(QUESTIONS);
    let report = json!({"accuracy": accuracy, "low": low, "high": high, "n": QUESTIONS, "format_rate": 1.0, "completeness": 0.9,
        "contains_answer": 0.6, "mean_tokens": 7.5, "task": "coin_flip", "method": "fine_tune_cot", "grader": "published"});
    fs::write(folder.join(format!("eval-{name}.json")), report.to_string()).unwrap();
    let row = |id: u32| {
        let row = json!({"id": format!("coin_flip/{id}"), "completion": HOSTILE, "prediction": "yes", "gold": "yes",
            "correct": id < correct, "has_marker": true, "complete": id > 0, "outcome": "answered", "tokens": 3 + id});
        format!("{row}\n")
    };
    fs::write(folder.join(format!("eval-{name}.completions.jsonl")), (0..QUESTIONS).map(row).collect::<String>())
        .unwrap();
}

fn report(named: &[&Path], out: &Path) -> Result<Written, ReportError> {
    let named = named.iter().map(|path| (*path).to_owned()).collect();
    write(&ReportPlan { named, runs: PathBuf::from("runs"), out: out.to_owned(), date: None })
}

fn page(folder: &Path) -> String {
    fs::read_to_string(folder.join("page.html")).unwrap()
}

fn table(folder: &Path, name: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(folder.join("page").join(name)).unwrap();
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// Every opened element is closed in turn; names of all elements.
fn elements(page: &str) -> BTreeSet<String> {
    const VOID: [&str; 2] = ["meta", "wbr"];
    let (mut open, mut seen) = (Vec::new(), BTreeSet::new());
    let body = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    // The style sheet is text that may hold `<` or `>`.
    let (head, rest) = body.split_once("<style>").unwrap();
    let body = format!("{head}{}", rest.split_once("</style>").unwrap().1);
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a closed tag");
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes in `{tag}`");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closes what is open");
            continue;
        }
        let name = tag.split_whitespace().next().unwrap().to_owned();
        seen.insert(name.clone());
        if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<String>::new());
    seen
}

#[test]
fn a_page_is_well_formed_self_contained_and_shows_hostile_texts_as_texts() {
    let folder = tempfile::tempdir().unwrap();
    let run = whole_run(folder.path(), "one", 1, 5);
    report(&[&run], &folder.path().join("page.html")).unwrap();
    let page = page(folder.path());
    let elements = elements(&page);
    for foreign in ["script", "img", "link", "iframe", "b<", "e"] {
        assert!(!elements.contains(foreign), "{foreign}");
    }
    for part in ["figure", "figcaption", "table", "svg", "title", "details", "article"] {
        assert!(elements.contains(part), "{part}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("t&lt;e&gt;acher"));
    assert!(
        ["http://", "https://", "url(", "@import"].iter().all(|address| !page.contains(address)),
        "nothing is fetched"
    );
    let tags: String = page.split('<').filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag).collect();
    assert!(tags.contains("href=\"page/accuracy.csv\"") && !tags.contains("src=") && !tags.contains("onerror"));
    assert!(page.matches("role=\"img\"").count() >= 4);
    assert_eq!(page.matches("role=\"img\"").count(), page.matches("role=\"img\" aria-label=\"").count());
}

#[test]
fn numbers_of_the_page_are_those_of_the_csv_and_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = whole_run(folder.path(), "one", 1, 5);
    let written = report(&[&run], &folder.path().join("page.html")).unwrap();
    assert!(written.tables.iter().all(|path| path.is_file()));
    let page = page(folder.path());
    let accuracy = table(folder.path(), "accuracy.csv");
    assert_eq!(
        accuracy[1][..8],
        ["one", "Fine-tune-CoT", "coin_flip-test", "10", "50", "23.659309051", "76.340690949", "100"]
    );
    assert!(page.contains("50.00 <span class=\"interval\">[23.66, 76.34]</span>"));
    assert_eq!(accuracy[0][9..12], ["contains_answer_percent", "mean_tokens", "grader"]);
    assert_eq!(accuracy[1][8..], ["90", "60", "7.5", "published", "one/eval-coin_flip-test.json"]);
    let published =
        ["GPT-2 124M", "Fine-tune-CoT", "coin_flip-test", "", "77.33", "", "", "", "", "", "", "", "published.csv"];
    assert!(accuracy.iter().any(|row| *row == published), "{accuracy:?}");
    assert!(page.contains("77.33") && page.contains("best of 20 epochs on the test split"));
    let teacher = table(folder.path(), "teacher.csv");
    assert_eq!(teacher[1][..7], ["one", "0 · t<e>acher", "coin_flip", "4", "4", "0", "75"]);
    assert_eq!(teacher[1][9], "90.04");
    let reasons = table(folder.path(), "reasons.csv");
    assert_eq!(reasons[1..], [["one", "kept", "3", "75"], ["one", "wrong_answer", "1", "25"]]);
    let cost = table(folder.path(), "cost.csv");
    assert_eq!(
        cost[1][3..],
        ["3", "", "28", "0.5", "0.166666667", "9.333333333", "4", "1"],
        "prompt tokens are not known"
    );
    assert!(page.contains("not known"));
    let training = table(folder.path(), "training.csv");
    assert_eq!(training[1..].iter().map(|row| row[2..4].join(" ")).collect::<Vec<_>>(), ["1 2", "2 1", "2 0.5"]);
    assert_eq!(
        fs::read_to_string(folder.path().join("page/published.csv")).unwrap().lines().count(),
        super::published::rows().len() + 1
    );
}

#[test]
fn every_drawn_point_has_its_row_in_the_csv() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    for (degree, correct) in [(1, 4), (2, 6), (8, 9)] {
        whole_run(&runs, &format!("degree-{degree}"), degree, correct);
    }
    report(&[&runs], &folder.path().join("page.html")).unwrap();
    let points = table(folder.path(), "sweep-source-degree.csv");
    let accuracies: Vec<String> = points[1..].iter().map(|row| row[2..4].join(" ")).collect();
    assert_eq!(accuracies, ["1 40", "2 60", "8 90"]);
    let page = page(folder.path());
    let (_, drawing) = page.split_once("id=\"sweep-source-degree\"").unwrap();
    let (drawing, _) = drawing.split_once("</figure>").unwrap();
    assert_eq!(drawing.matches("<circle").count(), points.len(), "a marker a point, and one in the legend");
    assert!(page.contains("Fine-tune-CoT, D = 8"));
    let paired = table(folder.path(), "paired.csv");
    assert_eq!(paired.len(), 4);
    assert_eq!(paired[2][..8], ["degree-1", "degree-8", "coin_flip-test", "10", "4", "0", "5", "-50"]);
    assert_eq!(paired[2][10], "0.0625");
}

#[test]
fn equal_runs_give_equal_bytes_and_a_date_only_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let run = whole_run(folder.path(), "one", 1, 5);
    let files = || {
        let written = report(&[&run], &folder.path().join("page.html")).unwrap();
        let tables = written.tables.iter().map(|path| fs::read(path).unwrap());
        tables.chain([page(folder.path()).into_bytes()]).collect::<Vec<_>>()
    };
    assert_eq!(files(), files());
    let date = Some("2 January <2026>".to_owned());
    let plan = ReportPlan { named: vec![run], runs: PathBuf::new(), out: folder.path().join("page.html"), date };
    write(&plan).unwrap();
    assert!(page(folder.path()).contains("2 January &lt;2026&gt;"));
}

#[test]
fn a_run_that_has_only_begun_has_a_page_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("begun");
    fs::create_dir(&run).unwrap();
    let bare =
        ReportPlan { named: vec![run.clone()], runs: PathBuf::new(), out: folder.path().join("page.html"), date: None };
    assert!(matches!(write(&bare), Err(ReportError::NoRun { .. })), "an empty folder is no run");
    fs::write(run.join("experiment.toml"), settings("begun", 1)).unwrap();
    write(&bare).unwrap();
    let text = page(folder.path());
    elements(&text);
    for sentence in
        ["No run has been evaluated yet", "No run has a rationale store", "No run has a training log", "nothing yet"]
    {
        assert!(text.contains(sentence), "{sentence}");
    }
    stored(&run);
    write(&bare).unwrap();
    elements(&page(folder.path()));
    let lengths = table(folder.path(), "lengths.csv");
    assert_eq!(lengths[0][2], "length");
    assert!(page(folder.path()).contains("words"), "without a tokenizer");
}

#[test]
fn a_damaged_file_is_named_and_nothing_is_written() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 10] = [
        ("experiment.toml", |run| fs::write(run.join("experiment.toml"), "name = ").unwrap()),
        ("eval-coin_flip-test.json", |run| fs::write(run.join("eval-coin_flip-test.json"), "{").unwrap()),
        ("eval-coin_flip-test.json", |run| evaluated_otherwise(run)),
        ("eval-coin_flip-test.completions.jsonl", |run| {
            fs::write(run.join("eval-coin_flip-test.completions.jsonl"), "{}\n").unwrap();
        }),
        ("metrics.jsonl", |run| fs::write(run.join("train/metrics.jsonl"), "{}\n").unwrap()),
        ("filter.stage.toml", |run| fs::write(run.join("filter.stage.toml"), "x").unwrap()),
        ("budgets-coin_flip-test.json", |run| fs::write(run.join("budgets-coin_flip-test.json"), "[{}]").unwrap()),
        ("sweep.json", |run| fs::write(run.parent().unwrap().join("sweep.json"), "{}").unwrap()),
        ("compare.json", |run| fs::write(run.parent().unwrap().join("compare.json"), "[").unwrap()),
        ("rationales.db", |run| fs::write(run.join("rationales.db"), "no database").unwrap()),
    ];
    for (name, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let run = whole_run(folder.path(), "one", 1, 5);
        damage(&run);
        let error = report(&[&run], &folder.path().join("page.html")).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert!(!folder.path().join("page.html").exists() && !folder.path().join("page").exists());
    }
}

/// The completions of another evaluation beside the old numbers.
fn evaluated_otherwise(run: &Path) {
    let numbers = fs::read(run.join("eval-coin_flip-test.json")).unwrap();
    evaluated(run, "coin_flip-test", 6);
    fs::write(run.join("eval-coin_flip-test.json"), numbers).unwrap();
}

#[test]
fn runs_are_found_by_folder_by_name_and_by_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    whole_run(&runs, "one", 1, 5);
    whole_run(&runs.join("swept"), "one", 1, 5);
    whole_run(&runs.join("swept"), "two", 2, 5);
    let file = folder.path().join("swept.toml");
    fs::write(&file, "name = \"swept\"\n").unwrap();
    let found = |named: &[&Path]| {
        let named = named.iter().map(|path| (*path).to_owned()).collect();
        let out = folder.path().join("page.html");
        write(&ReportPlan { named, runs: runs.clone(), out, date: None }).map(|written| written.runs)
    };
    assert_eq!(found(&[Path::new("one")]).unwrap(), ["one"]);
    assert_eq!(found(&[&file]).unwrap(), ["swept/one", "swept/two"]);
    assert_eq!(found(&[&runs, &file]).unwrap(), ["one", "swept/one", "swept/two"]);
    assert_eq!(found(&[Path::new("swept")]).unwrap(), ["one", "two"], "nothing says that they belong together");
    assert_eq!(found(&[Path::new("one"), &runs.join("one")]).unwrap(), ["one"]);
    let error = found(&[Path::new("three")]).unwrap_err().to_string();
    assert!(error.contains("`three`") && error.contains("found nothing"), "{error}");
}
