//! All published results, folded away under ours.

use maud::html;

use crate::report::figure::Figure;
use crate::report::published::{self, PublishedRow};
use crate::report::table::{Cell, Column, Table};

/// The tables of the data file, with what heads each.
const TABLES: [(&str, &str); 6] = [
    ("students", "Students by method and size"),
    ("teacher", "Teacher"),
    ("random", "Guessing"),
    ("degree", "Degree D of diverse reasoning"),
    ("questions", "Number of training questions"),
    ("teacher choice", "Choice of the teacher"),
];

/// Every published row; the whole data file is its CSV.
pub(super) fn figure() -> Figure {
    let body = html! { @for (table, title) in TABLES { details {
        summary { (title) }
        @if table == "students" { (by_task(table).html(title)) } @else { (by_level(table).html(title)) }
    } } };
    let caption = format!("Accuracy in percent. {} An empty or missing value was not published.", published::CAVEAT);
    Figure::new("published", "Published results", caption, body, whole())
}

fn whole() -> Table {
    let keys = ["table", "model", "parameters", "method", "task", "level"];
    let mut columns: Vec<Column> = keys.iter().map(|key| Column::text(key, key)).collect();
    columns.extend([Column::number("accuracy", "accuracy_percent"), Column::text("reading", "reading")]);
    let mut table = Table::new(columns);
    for row in published::rows() {
        let texts = [&row.table, &row.model, &row.parameters, &row.method, &row.task, &row.level];
        let mut cells: Vec<Cell> = texts.into_iter().map(|text| Cell::Text(text.clone())).collect();
        cells.extend([Cell::Percent(row.accuracy_percent), Cell::Text(row.reading.clone())]);
        table.push(cells);
    }
    table
}

/// One row a student and method, one column a task.
fn by_task(name: &str) -> Table {
    spread(name, |row| row.task.clone(), |row| vec![row.who(), row.method.clone()], &["Student", "Method"])
}

/// One row a model, method and task, one column a level.
fn by_level(name: &str) -> Table {
    let level = |row: &PublishedRow| if row.level.is_empty() { "accuracy".to_owned() } else { row.level.clone() };
    spread(name, level, |row| vec![row.who(), row.method.clone(), row.task.clone()], &["Model", "Method", "Task"])
}

/// A table with a column for each value of `across` and a row for each value of `down`.
fn spread(
    name: &str,
    across: impl Fn(&PublishedRow) -> String,
    down: impl Fn(&PublishedRow) -> Vec<String>,
    heads: &[&str],
) -> Table {
    let of_this = || published::rows().iter().filter(|row| row.table == name);
    let (mut columns, mut lines): (Vec<String>, Vec<Vec<String>>) = (Vec::new(), Vec::new());
    for row in of_this() {
        if !columns.contains(&across(row)) {
            columns.push(across(row));
        }
        if !lines.contains(&down(row)) {
            lines.push(down(row));
        }
    }
    let heads = heads.iter().map(|head| Column::text(head, head));
    let mut table = Table::new(heads.chain(columns.iter().map(|column| Column::number(column, column))).collect());
    for line in lines {
        let cell = |column: &String| {
            let found = of_this().find(|row| across(row) == *column && down(row) == line);
            found.map_or(Cell::Text("–".to_owned()), shown)
        };
        let values: Vec<Cell> = columns.iter().map(cell).collect();
        table.push(line.iter().map(|text| Cell::Text(text.clone())).chain(values).collect());
    }
    table
}

/// What was read from a plot is marked as such.
fn shown(row: &PublishedRow) -> Cell {
    if row.reading == "printed" {
        return Cell::Percent(row.accuracy_percent);
    }
    let about = if row.reading.contains("plot") { "≈ " } else { "" };
    Cell::Text(format!("{about}{} *", row.accuracy_percent))
}
