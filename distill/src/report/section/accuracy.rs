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
    /// Whether it is of a variant of a sweep.
    is_variant: bool,
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
            method: method(run, evaluation),
            evaluation: name,
            percent: evaluation.percent,
            ours: Some(evaluation),
            source: format!("{}/{}", run.name, evaluation.file),
            is_variant: !run.axes.is_empty(),
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
        is_variant: false,
    };
    let students = published::of_size(size, task);
    let mut rows: Vec<Row<'a>> =
        students.map(|theirs| row(theirs.who(), &theirs.method, theirs.accuracy_percent)).collect();
    let teacher = published::accuracy("teacher", "text-davinci-002", task);
    rows.extend(teacher.map(|percent| row("text-davinci-002 175B".to_owned(), "Zero-shot-CoT (teacher)", percent)));
    rows.extend(published::accuracy("random", "", task).map(|percent| row("Guessing".to_owned(), "Random", percent)));
    rows
}

/// The evaluation's own word for the method where it is more exact than the run's.
fn method(run: &RunFacts, evaluation: &Evaluation) -> String {
    match (&run.settings, evaluation.method_in_words()) {
        (None, Some(method)) => method,
        _ => run.method(),
    }
}

/// All accuracies: on the page a row a student and a column a set of questions, in the CSV a row each.
pub(super) fn table(runs: &[RunFacts]) -> Figure {
    let (name, title) = ("accuracy", "Accuracy");
    let rows = rows(runs);
    if rows.is_empty() {
        return Figure::absent(name, title, "No run has been evaluated yet.");
    }
    let caption = format!(
        "Share of questions answered right, in percent, greedily, with the 95 % score interval (Wilson) of ours. Format: \
         completions in which the student itself wrote the answer marker, or needed none. Complete: completions that it ended \
         itself. Right answer anywhere: also where it is not the answer given. Guessing is computed and has no interval. Sources: each run's eval-*.json; published.csv. {}",
        published::CAVEAT
    );
    let body = html! {
        (matrix(runs, &rows).html("Accuracy by student and questions"))
        h3.apart { "Format and completeness of ours" }
        (details(&rows).html("Format and completeness"))
    };
    Figure::new(name, title, caption, body, long(&rows))
}

/// A row a student and method, a column a set of questions; ours first.
fn matrix(runs: &[RunFacts], rows: &[Row<'_>]) -> Table {
    let names = evaluations(runs);
    let head = |name: &&str| {
        let n = rows.iter().find_map(|row| row.ours.filter(|ours| ours.name == **name)).map_or(0, |ours| ours.n);
        // Held together, so that the number stays with its sign.
        Column::number(&format!("{name} (n\u{a0}=\u{a0}{n})"), name)
    };
    let columns = [Column::text("Student", "student"), Column::text("Method", "method")];
    let mut table = Table::new(columns.into_iter().chain(names.iter().map(head)).collect());
    let mut lines: Vec<(bool, &str, &str)> = Vec::new();
    for row in rows {
        let line = (row.ours.is_none(), row.who.as_str(), row.method.as_str());
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.sort_by_key(|(is_published, _, _)| *is_published);
    for (is_published, who, method) in lines {
        let cell = |name: &&str| {
            let is_it = |row: &&Row<'_>| {
                row.ours.is_none() == is_published && row.evaluation == *name && row.who == who && row.method == method
            };
            let found = rows.iter().find(is_it);
            found.map_or(Cell::Blank, |row| Cell::Rate(row.percent, row.ours.and_then(|ours| ours.interval)))
        };
        let who = if is_published { format!("{who} (published)") } else { who.to_owned() };
        let heads = [Cell::Text(who), method.into()];
        table.push(heads.into_iter().chain(names.iter().map(cell)).collect());
        if !is_published {
            table.embolden();
        }
    }
    table
}

/// What else was measured of ours.
fn details(rows: &[Row<'_>]) -> Table {
    let mut table = Table::new(vec![
        Column::text("Student", "student"),
        Column::text("Questions", "evaluation"),
        Column::number("n", "n"),
        Column::number("Format, %", "format_percent"),
        Column::number("Complete, %", "complete_percent"),
        Column::number("Right answer anywhere, %", "contains_answer_percent"),
        Column::number("Mean tokens", "mean_tokens"),
        Column::text("Grader", "grader"),
    ]);
    let answered = rows.iter().filter_map(|row| Some((row, row.ours.filter(|ours| ours.is_answered())?)));
    for (row, ours) in answered {
        table.push(vec![
            Cell::Text(row.who.clone()),
            row.evaluation.into(),
            Cell::Count(ours.n as u64),
            Cell::Percent(ours.format_percent),
            Cell::Percent(ours.complete_percent),
            Cell::or_unknown(ours.contains_answer_percent, Cell::Percent),
            Cell::or_unknown(ours.mean_tokens, |tokens| Cell::Number(tokens, 1)),
            Cell::or_unknown(ours.grader.clone(), Cell::Text),
        ]);
    }
    table.without_unknown()
}

fn long(rows: &[Row<'_>]) -> Table {
    let mut table = Table::new(vec![
        Column::text("Student", "student"),
        Column::text("Method", "method"),
        Column::text("Questions", "evaluation"),
        Column::number("n", "n"),
        Column::rate("Accuracy", ["accuracy_percent", "low_percent", "high_percent"]),
        Column::number("Format", "format_percent"),
        Column::number("Complete", "complete_percent"),
        Column::number("Right answer anywhere", "contains_answer_percent"),
        Column::number("Mean tokens", "mean_tokens"),
        Column::text("Grader", "grader"),
        Column::text("Source", "source"),
    ]);
    for row in rows {
        let of_ours = |value: fn(&Evaluation) -> Cell| row.ours.map_or(Cell::Blank, value);
        table.push(vec![
            Cell::Text(row.who.clone()),
            Cell::Text(row.method.clone()),
            row.evaluation.into(),
            of_ours(|ours| Cell::Count(ours.n as u64)),
            Cell::Rate(row.percent, row.ours.and_then(|ours| ours.interval)),
            of_ours(|ours| Cell::Percent(ours.format_percent)),
            of_ours(|ours| Cell::Percent(ours.complete_percent)),
            of_ours(|ours| Cell::or_unknown(ours.contains_answer_percent, Cell::Percent)),
            of_ours(|ours| Cell::or_unknown(ours.mean_tokens, |tokens| Cell::Number(tokens, 1))),
            of_ours(|ours| Cell::or_unknown(ours.grader.clone(), Cell::Text)),
            Cell::Text(row.source.clone()),
        ]);
    }
    table
}

/// The same, drawn: one panel for each set of questions.
pub(super) fn drawing(runs: &[RunFacts]) -> Figure {
    let (name, title) = ("accuracy-by-task", "Accuracy by task");
    let rows = rows(runs);
    if rows.iter().all(|row| row.is_variant || row.ours.is_none()) {
        let reason = "No run beside the variants of sweeps, which have figures of their own, has been evaluated yet.";
        return Figure::absent(name, title, reason);
    }
    let mut table = Table::new(vec![
        Column::text("Questions", "evaluation"),
        Column::text("Row", "row"),
        Column::rate("Accuracy, %", ["accuracy_percent", "low_percent", "high_percent"]),
    ]);
    let mut panels = Vec::new();
    for evaluation in evaluations(runs) {
        let of_this: Vec<&Row<'_>> =
            rows.iter().filter(|row| row.evaluation == evaluation && !row.is_variant).collect();
        if of_this.iter().all(|row| row.ours.is_none()) {
            continue;
        }
        let drawn = of_this.iter().filter(|row| row.method != "Random");
        let whiskers: Vec<Whisker> = drawn.map(|row| whisker(row)).collect();
        for whisker in &whiskers {
            table.push(vec![
                evaluation.into(),
                Cell::Text(whisker.label.clone()),
                Cell::Rate(whisker.percent, whisker.interval),
            ]);
        }
        let random = of_this.iter().find(|row| row.method == "Random").map(|row| row.percent);
        if let Some(percent) = random {
            table.push(vec![evaluation.into(), "Random".into(), Cell::Rate(percent, None)]);
        }
        panels.push((evaluation, whiskers, random));
    }
    let body = html! { div.panels { @for (evaluation, whiskers, random) in &panels { div.panel {
        h3 { (evaluation) }
        (forest(&format!("accuracy on {evaluation} in percent, one row a student"), whiskers, *random))
    } } } };
    let caption =
        "Filled circles: ours, with the 95 % score interval (Wilson). Diamonds: published, without intervals. Dashed \
                   stroke: guessing. Accuracy in percent; the same numbers as in the table above. Variants of sweeps have figures of their own."
            .to_owned();
    Figure::new(name, title, caption, body, table)
}

fn whisker(row: &Row<'_>) -> Whisker {
    let role = if row.ours.is_some() { Role::Student } else { Role::Published };
    Whisker {
        label: format!("{} · {}", row.who, row.method),
        percent: row.percent,
        interval: row.ours.and_then(|ours| ours.interval),
        role,
    }
}
