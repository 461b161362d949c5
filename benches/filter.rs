//! How many rationales a second one core judges and grades: on recorded teachers' completions where there are any, else on
//! made-up ones.

#![expect(clippy::unwrap_used, reason = "a benchmark without its inputs has nothing to measure")]

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{BenchmarkId, Criterion as Bench, Throughput, criterion_group, criterion_main};
use pupil_distill::dataset::Example;
use pupil_distill::filter::{Criterion, Filter, FilterPlan, Judge};
use pupil_distill::rationale::RationaleRow;
use pupil_distill::teacher::{Completion, Finish};
use pupil_models::answer::{AnswerKind, Grader};

/// Rationales that are judged in one iteration.
const ROWS: usize = 4000;

fn shared_data() -> PathBuf {
    std::env::var_os("PUPIL_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from)
}

/// Completions of all recorded teachers, ordered by question.
fn rows() -> Vec<RationaleRow> {
    let mut rows = Vec::new();
    if let Ok(files) = std::fs::read_dir(shared_data().join("teacher")) {
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            rows.extend(text.lines().take(ROWS / 11).map(recorded));
        }
    }
    if rows.is_empty() {
        rows.extend((0..ROWS).map(made_up));
    }
    rows
}

fn recorded(line: &str) -> RationaleRow {
    let row: serde_json::Value = serde_json::from_str(line).unwrap();
    let text = |key: &str| row[key].as_str().map(str::to_owned);
    RationaleRow {
        example: Example::new(
            &text("dataset").unwrap(),
            &row["sample_index"].to_string(),
            text("question").unwrap(),
            text("answer").unwrap(),
        ),
        teacher: "recorded".to_owned(),
        completion: Completion {
            index: row["completion_index"].as_u64().unwrap() as u32,
            rationale: text("rationale").unwrap(),
            prediction: text("prediction"),
            finish: text("finish_reason").map(Finish::from),
            ..Completion::default()
        },
    }
}

fn made_up(number: usize) -> RationaleRow {
    let (one, other) = (number % 97, number % 31);
    let rationale = format!(
        "Joan found {one} seashells on Monday.\nShe found {other} more on Tuesday, in the afternoon, on the beach.\n\nSo she has \
         {one} + {other} = {} seashells in all, which she counts again.\nTherefore the answer is {}.",
        one + other,
        one + other
    );
    RationaleRow {
        example: Example::new(
            "svamp",
            &(number / 4).to_string(),
            "How many seashells has Joan?",
            (one + other).to_string(),
        ),
        teacher: "made up".to_owned(),
        completion: Completion { index: (number % 4) as u32, rationale, ..Completion::default() },
    }
}

/// Everything but near-duplicates, without the answer filter, so that every criterion sees every rationale.
fn all() -> String {
    let data = shared_data().join("datasets/gsm8k.jsonl");
    let contamination = if data.exists() {
        format!("{{ contamination = {{ data = \"{}\" }} }}, ", data.display())
    } else {
        String::new()
    };
    format!(
        "\"rationale\", \"answer_given\", \"truncated\", \"content_filter\", {{ length = {{ least_words = 2, most_words = 400 }} }}, \
         \"repetition\", \"exact_duplicate\", {contamination}\"arithmetic\", \"support\", \"language\", \"refusal\", \"echo\""
    )
}

fn criteria(written: &str) -> Vec<Criterion> {
    #[derive(serde::Deserialize)]
    struct Table {
        criteria: Vec<Criterion>,
    }
    toml::from_str::<Table>(&format!("criteria = [{written}]")).unwrap().criteria
}

fn judge(bench: &mut Bench) {
    let rows = rows();
    let characters: usize = rows.iter().map(|row| row.completion.rationale.len()).sum();
    let mut group = bench.benchmark_group("filter");
    group.throughput(Throughput::Elements(rows.len() as u64)).sample_size(20);
    let answer = Filter { grader: Grader::Published, marker: None, kind: AnswerKind::Number };
    let everything = all();
    let mut plans: Vec<(String, Vec<Criterion>)> =
        criteria(&everything).into_iter().map(|criterion| (criterion.name().to_owned(), vec![criterion])).collect();
    plans.push(("answer".to_owned(), criteria("\"answer\"")));
    plans.push(("near_duplicate".to_owned(), criteria("\"near_duplicate\"")));
    plans.push((format!("all but near_duplicate ({} bytes a row)", characters / rows.len()), criteria(&everything)));
    for (name, criteria) in plans {
        // As reports, so that no objection keeps the later criteria from their work.
        let plan = FilterPlan { criteria: Vec::new(), report: criteria, ..FilterPlan::default() };
        let mut judge = Judge::new(&plan, answer.clone()).unwrap();
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| rows.iter().map(|row| black_box(judge.judge(row)).reported.len()).sum::<usize>());
        });
    }
    for grader in [Grader::Published, Grader::Robust] {
        let filter = Filter { grader, ..answer.clone() };
        group.bench_function(BenchmarkId::new("grader", grader), |bencher| {
            bencher.iter(|| rows.iter().filter(|row| black_box(filter.verdict(row)).is_keep()).count());
        });
    }
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
