//! How right the teachers were.

use crate::eval::wilson;
use crate::report::facts::{RunFacts, SourceFacts};
use crate::report::figure::Figure;
use crate::report::published;
use crate::report::table::{Cell, Column, Table};

/// Accuracy of each source, the published teacher beside it.
pub(super) fn figure(runs: &[RunFacts]) -> Figure {
    let (name, title) = ("teacher", "Teachers");
    let mut table = Table::new(vec![
        Column::text("Run", "run"),
        Column::text("Source", "source"),
        Column::text("Task", "task"),
        Column::number("Examples", "examples"),
        Column::number("Done", "completions"),
        Column::number("Failed", "failed"),
        Column::rate("Right, % [95 %]", ["accuracy_percent", "low_percent", "high_percent"]),
        Column::number("Published text-davinci-002, %", "published_percent"),
    ]);
    for run in runs {
        for source in &run.sources {
            table.push(row(run, source));
        }
    }
    if table.is_empty() {
        return Figure::absent(name, title, "No run has a rationale store.");
    }
    let caption = format!(
        "Share of finished completions whose answer is right, by the grader of the run's filter, from each run's rationales.db. \
         The interval (Wilson) takes completions as independent, which several about one question are not. Published: \
         text-davinci-002, zero-shot-CoT, over train and test rows together; ours covers the rows that were asked.{}",
        super::left_out(runs, |run| !run.sources.is_empty(), "a store")
    );
    Figure::of_table(name, title, caption, table)
}

fn row(run: &RunFacts, source: &SourceFacts) -> Vec<Cell> {
    let task = source.task.as_deref().filter(|task| !task.is_empty());
    let correct = source.correct.filter(|_| source.done > 0);
    let right = correct.map(|correct| {
        let (low, high) = wilson(correct as usize, source.done as usize);
        Cell::Rate(100.0 * correct as f64 / source.done as f64, Some((100.0 * low, 100.0 * high)))
    });
    let published = task.and_then(|task| published::accuracy("teacher", "text-davinci-002", task));
    vec![
        Cell::Text(run.name.clone()),
        Cell::Text(source.label()),
        task.map_or(Cell::Text("several".to_owned()), Cell::from),
        Cell::Count(source.examples),
        Cell::Count(source.done),
        Cell::Count(source.failed),
        right.unwrap_or(Cell::Unknown),
        published.map_or(Cell::Blank, Cell::Percent),
    ]
}
