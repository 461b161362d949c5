//! Tables: one set of values, written as HTML for people and as CSV for programs.

use maud::{Markup, html};

use super::number;

/// A column: what heads it on the page, and its name in the CSV.
#[derive(Clone, Debug)]
pub(super) struct Column {
    title: String,
    key: String,
    is_number: bool,
}

impl Column {
    pub(super) fn text(title: &str, key: &str) -> Self {
        Self { title: title.to_owned(), key: key.to_owned(), is_number: false }
    }

    pub(super) fn number(title: &str, key: &str) -> Self {
        Self { title: title.to_owned(), key: key.to_owned(), is_number: true }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Words.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A percentage, shown with two decimals.
    Percent(f64),
    /// A number, shown with so many decimals.
    Number(f64, usize),
    /// Something that nobody recorded; empty in the CSV, never nought.
    Unknown,
}

impl Cell {
    pub(super) fn or_unknown<T>(value: Option<T>, known: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Unknown, known)
    }

    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => number::grouped(*count),
            Self::Percent(percent) => number::fixed(*percent, 2),
            Self::Number(value, decimals) => number::fixed(*value, *decimals),
            Self::Unknown => "not known".to_owned(),
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Percent(value) | Self::Number(value, _) => number::exact(*value),
            Self::Unknown => String::new(),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Columns and rows.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub(super) fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table on the page, `about` being read out before it; the first column heads the rows.
    pub(super) fn html(&self, about: &str) -> Markup {
        html! {
            div.scroll role="region" aria-label=(about) tabindex="0" {
                table {
                    thead { tr { @for column in &self.columns {
                        th.num[column.is_number] scope="col" { (column.title) }
                    } } }
                    tbody { @for row in &self.rows { tr {
                        @for (index, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
                            @let unknown = *cell == Cell::Unknown;
                            @if index == 0 { th scope="row" { (cell.shown()) } }
                            @else { td.num[column.is_number].unknown[unknown] { (cell.shown()) } }
                        }
                    } } }
                }
            }
        }
    }

    /// The table as CSV, numbers in full.
    pub(super) fn csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        // Writing rows of equal length into memory cannot fail.
        let _ = writer.write_record(self.columns.iter().map(|column| &column.key));
        for row in &self.rows {
            let _ = writer.write_record(row.iter().map(Cell::written));
        }
        writer.into_inner().unwrap_or_default()
    }
}
