//! Accuracy: ours with intervals, the published rows beside them.

use maud::html;

use super::evaluations;
use crate::report::chart::{Role, Whisker, forest};
use crate::report::facts::{Evaluation, RunFacts};
use crate::report::figure::Figure;
use crate::report::published;
use crate::report::table::{Cell, Column, Table};

/// One accuracy, ours or published.
struct Row<'a> {
    who: String,
    method: String,
    evaluation: &'a str,
    percent: f64,
    /// Ours alone has one.
    ours: Option<&'a Evaluation>,
    source: String,
}

fn rows(runs: &[RunFacts]) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let size = published::nearest(runs.iter().filter_map(RunFacts::parameters).max());
    for name in evaluations(runs) {
        let with = |run| -> Option<(&RunFacts, &Evaluation)> {
            let run: &RunFacts = run;
            Some((run, run.evaluations.iter().find(|evaluation| evaluation.name == name)?))
        };
        let ours: Vec<(&RunFacts, &Evaluation)> = runs.iter().filter_map(with).collect();
        rows.extend(ours.iter().map(|(run, evaluation)| Row {
            who: run.name.clone(),
            method: run.method(),
            evaluation: name,
            percent: evaluation.percent,
            ours: Some(evaluation),
            source: format!("{}/{}", run.name, evaluation.file),
        }));
        let task = ours.first().and_then(|(_, evaluation)| evaluation.published_task());
        rows.extend(task.into_iter().flat_map(|task| theirs(&size, task, name)));
    }
    rows
}

/// The published rows that stand beside ours: students of the nearest size, the teacher, guessing.
fn theirs<'a>(size: &str, task: &str, evaluation: &'a str) -> Vec<Row<'a>> {
    let row = |who: String, method: &str, percent| Row {
        who,
        method: method.to_owned(),
        evaluation,
        percent,
        ours: None,
        source: "published.csv".to_owned(),
    };
    let students = published::of_size(size, task);
    let mut rows: Vec<Row<'a>> =
        students.map(|theirs| row(theirs.who(), &theirs.method, theirs.accuracy_percent)).collect();
    let teacher = published::accuracy("teacher", "text-davinci-002", task);
    rows.extend(teacher.map(|percent| row("text-davinci-002 175B".to_owned(), "Zero-shot-CoT (teacher)", percent)));
    rows.extend(published::accuracy("random", "", task).map(|percent| row("guessing".to_owned(), "Random", percent)));
    rows
}

/// All accuracies in one table.
pub(super) fn table(runs: &[RunFacts]) -> Figure {
    let (name, title) = ("accuracy", "Accuracy");
    let rows = rows(runs);
    if rows.is_empty() {
        return Figure::absent(name, title, "No run has been evaluated yet.");
    }
    let mut table = Table::new(vec![
        Column::text("Student", "student"),
        Column::text("Method", "method"),
        Column::text("Questions", "evaluation"),
        Column::number("n", "n"),
        Column::number("Accuracy, %", "accuracy_percent"),
        Column::number("95 % from", "low_percent"),
        Column::number("to", "high_percent"),
        Column::number("Format, %", "format_percent"),
        Column::number("Complete, %", "complete_percent"),
        Column::text("Source", "source"),
    ]);
    for row in rows {
        let percent = |value: fn(&Evaluation) -> f64| Cell::or_unknown(row.ours, |ours| Cell::Percent(value(ours)));
        table.push(vec![
            Cell::Text(row.who),
            Cell::Text(row.method),
            row.evaluation.into(),
            Cell::or_unknown(row.ours, |ours| Cell::Count(ours.n as u64)),
            Cell::Percent(row.percent),
            percent(|ours| ours.interval.0),
            percent(|ours| ours.interval.1),
            percent(|ours| ours.format_percent),
            percent(|ours| ours.complete_percent),
            Cell::Text(row.source),
        ]);
    }
    let caption = format!(
        "Share of questions answered right, greedily; 95 % score interval (Wilson). Format: completions in which the student \
         itself wrote the answer marker, or needed none. Complete: completions that it ended itself. n: questions. {}",
        published::CAVEAT
    );
    Figure::of_table(name, title, caption, table)
}

/// The same, drawn: one panel for each set of questions.
pub(super) fn drawing(runs: &[RunFacts]) -> Figure {
    let (name, title) = ("accuracy-by-task", "Accuracy by task");
    let rows = rows(runs);
    if rows.is_empty() {
        return Figure::absent(name, title, "No run has been evaluated yet.");
    }
    let mut table = Table::new(vec![
        Column::text("Questions", "evaluation"),
        Column::text("Row", "row"),
        Column::number("Accuracy, %", "accuracy_percent"),
        Column::number("from", "low_percent"),
        Column::number("to", "high_percent"),
    ]);
    let mut panels = Vec::new();
    for evaluation in evaluations(runs) {
        let of_this: Vec<&Row<'_>> = rows.iter().filter(|row| row.evaluation == evaluation).collect();
        let drawn = of_this.iter().filter(|row| row.method != "Random");
        let whiskers: Vec<Whisker> = drawn.map(|row| whisker(row)).collect();
        for whisker in &whiskers {
            table.push(vec![
                evaluation.into(),
                Cell::Text(whisker.label.clone()),
                Cell::Percent(whisker.percent),
                Cell::or_unknown(whisker.interval, |(low, _)| Cell::Percent(low)),
                Cell::or_unknown(whisker.interval, |(_, high)| Cell::Percent(high)),
            ]);
        }
        let random = of_this.iter().find(|row| row.method == "Random").map(|row| row.percent);
        if let Some(percent) = random {
            table.push(vec![evaluation.into(), "Random".into(), Cell::Percent(percent), Cell::Unknown, Cell::Unknown]);
        }
        panels.push((evaluation, whiskers, random));
    }
    let body = html! { div.panels { @for (evaluation, whiskers, random) in &panels { div.panel {
        h3 { (evaluation) }
        (forest(&format!("accuracy on {evaluation} in percent, one row a student"), whiskers, *random))
    } } } };
    let caption =
        "Filled circles: ours, with the 95 % score interval (Wilson). Diamonds: published, without intervals. Dashed \
                   line: guessing. Accuracy in percent; the same numbers as in the table above."
            .to_owned();
    Figure::new(name, title, caption, body, table)
}

fn whisker(row: &Row<'_>) -> Whisker {
    let role = if row.ours.is_some() { Role::Student } else { Role::Published };
    Whisker {
        label: format!("{} · {}", row.who, row.method),
        percent: row.percent,
        interval: row.ours.map(|ours| ours.interval),
        role,
    }
}
