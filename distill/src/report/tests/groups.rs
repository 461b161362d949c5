//! Sweeps and comparisons of methods.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{elements, evaluated, page, report, table, whole_run};

/// A run that asks a student by a method, and has nothing but its evaluation.
fn measured(runs: &Path, method: &str, correct: u32) -> PathBuf {
    let folder = runs.join(method);
    fs::create_dir_all(&folder).unwrap();
    evaluated(&folder, "coin_flip-test", correct);
    let path = folder.join("eval-coin_flip-test.json");
    let text = fs::read_to_string(&path).unwrap().replace("fine_tune_cot", method);
    fs::write(path, text).unwrap();
    if method == "random" {
        fs::remove_file(folder.join("eval-coin_flip-test.completions.jsonl")).unwrap();
    }
    folder
}

#[test]
fn a_sweep_is_drawn_along_its_axes_and_its_failures_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = folder.path().join("runs/swept");
    let variant = |name: &str, degree: u32, filter: &str, error: Option<&str>| json!({"name": name, "values": {"degree": degree, "filter": filter}, "state": "done", "error": error, "evals": {}});
    let mut variants = Vec::new();
    for (degree, filter, correct) in [(1, "none", 3), (4, "none", 6), (1, "an<swer", 5), (4, "an<swer", 8)] {
        let name = format!("degree-{degree}_{}", filter.replace('<', ""));
        whole_run(&sweep, &name, 1, correct);
        variants.push(variant(&name, degree, filter, None));
    }
    variants.push(variant("degree-9", 9, "none", Some("no <room>")));
    fs::write(
        sweep.join("sweep.json"),
        json!({"name": "x", "axes": ["degree", "filter"], "variants": variants}).to_string(),
    )
    .unwrap();
    measured(&folder.path().join("runs"), "zero_shot", 2);
    let written = report(&[&folder.path().join("runs")], &folder.path().join("page.html")).unwrap();
    assert_eq!(written.runs[0], "swept/degree-1_none", "in the order of the sweep");
    let points = table(folder.path(), "sweep-source-degree.csv");
    let rows: Vec<String> = points[1..].iter().map(|row| row[1..4].join(" ")).collect();
    let ours = ["filter = none 1 30", "filter = none 4 60", "filter = an<swer 1 50", "filter = an<swer 4 80"];
    assert_eq!(rows[..4], ours);
    let levels = table(folder.path(), "variants-swept.csv");
    assert_eq!(levels.len(), 5);
    assert_eq!(levels[3][1..4], ["degree 1, filter an<swer", "10", "50"]);
    let page = page(folder.path());
    elements(&page);
    assert!(page.contains("<b>swept/degree-9 failed: </b>no &lt;room&gt;"));
    let paired = table(folder.path(), "paired.csv");
    assert_eq!(paired.len(), 1 + 6, "variants are paired among themselves");
}

#[test]
fn a_comparison_of_methods_needs_no_settings_and_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let comparison = folder.path().join("compare-student");
    for (method, correct) in [("random", 5), ("zero_shot", 2), ("zero_shot_cot", 7)] {
        measured(&comparison, method, correct);
    }
    let zero_shot = comparison.join("zero_shot");
    let number = |tokens: u32| {
        let text = fs::read_to_string(zero_shot.join("eval-coin_flip-test.json")).unwrap();
        let mut number: serde_json::Value = serde_json::from_str(&text).unwrap();
        number["budget_tokens"] = json!(tokens);
        number
    };
    fs::write(zero_shot.join("budgets-coin_flip-test.json"), json!([number(8), number(16)]).to_string()).unwrap();
    // The bundle that all of them share was exported into the folder.
    fs::write(comparison.join("export.stage.toml"), "").unwrap();
    let methods = json!([{"method": "few_shot_cot", "error": "context too small"}]);
    fs::write(
        comparison.join("compare.json"),
        json!({"eval": "coin_flip-test", "methods": methods, "pairs": []}).to_string(),
    )
    .unwrap();
    report(&[&comparison], &folder.path().join("page.html")).unwrap();
    let accuracy = table(folder.path(), "accuracy.csv");
    let ours: Vec<String> =
        accuracy[1..4].iter().map(|row| [&row[1], &row[4], &row[5]].map(String::as_str).join(" ")).collect();
    let (low, _) = crate::eval::wilson(2, 10);
    assert_eq!(ours[0], "Random 50 ", "guessing is computed");
    assert!(ours[1].starts_with(&format!("Zero-shot 20 {:.6}", 100.0 * low)), "{ours:?}");
    assert_eq!(table(folder.path(), "paired.csv").len(), 2);
    assert_eq!(table(folder.path(), "budgets.csv").len(), 5);
    let page = page(folder.path());
    elements(&page);
    assert!(page.contains("compare-student/few_shot_cot failed: </b>context too small"));
}
