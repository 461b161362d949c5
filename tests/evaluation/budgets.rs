//! `eval --budget`.

use serde_json::Value;

use crate::{Bench, student, text};

#[test]
fn each_budget_gives_what_it_gives_alone() {
    let bench = Bench::new();
    let eval = |budgets: &str| -> Vec<Value> {
        let bundle = student();
        let arguments =
            ["eval", "--bundle", &bundle, "--data", "coin_flip.jsonl", "--json", "--out", "out", "--budget", budgets];
        bench.printed(&arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let together = eval("1,16,32,33,34,35,36,200");
    assert_eq!(Value::Array(together.clone()), bench.json("out/budgets-coin_flip.json"));
    for report in &together {
        assert_eq!(eval(&report["budget_tokens"].to_string()), std::slice::from_ref(report));
    }
    let completeness = |report: &Value| report["completeness"].as_f64().unwrap();
    let shares: Vec<f64> = together.iter().map(completeness).collect();
    assert!(shares.is_sorted() && shares[0] < 0.01 && shares[7] > 0.99, "{shares:?}");
}

#[test]
fn a_budget_of_nothing_is_refused() {
    let bench = Bench::new();
    let output = bench.distill(&["eval", "--bundle", &student(), "--data", "coin_flip.jsonl", "--budget", "16,0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("budgets: expected numbers above 0"), "{}", text(&output.stderr));
}
