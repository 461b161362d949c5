//! Tables: one set of values, written as HTML for people and as CSV for programs.

use maud::{Markup, html};

use super::number;

/// A column: what heads it on the page, and its name in the CSV.
#[derive(Clone, Debug)]
pub(super) struct Column {
    title: String,
    keys: Vec<String>,
    is_number: bool,
}

impl Column {
    pub(super) fn text(title: &str, key: &str) -> Self {
        Self { title: title.to_owned(), keys: vec![key.to_owned()], is_number: false }
    }

    pub(super) fn number(title: &str, key: &str) -> Self {
        Self { title: title.to_owned(), keys: vec![key.to_owned()], is_number: true }
    }

    /// A column of [`Cell::Rate`]: three columns of the CSV, for the rate and the two ends of its interval.
    pub(super) fn rate(title: &str, keys: [&str; 3]) -> Self {
        Self { title: title.to_owned(), keys: keys.map(str::to_owned).to_vec(), is_number: true }
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
    /// A rate, and the interval around it where there is one.
    Rate(f64, Option<(f64, f64)>),
    /// A *p* value.
    Probability(f64),
    /// Nothing to say here; empty on the page and in the CSV.
    Blank,
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
            Self::Rate(rate, _) => number::fixed(*rate, 2),
            Self::Probability(p) => number::probability(*p),
            Self::Blank => String::new(),
            Self::Unknown => "not known".to_owned(),
        }
    }

    fn html(&self) -> Markup {
        match self {
            Self::Text(text) => breakable(text),
            Self::Rate(_, Some((low, high))) => html! {
                (self.shown()) " " span.interval { "[" (number::fixed(*low, 2)) ", " (number::fixed(*high, 2)) "]" }
            },
            _ => html! { (self.shown()) },
        }
    }

    /// The values of `width` columns of the CSV.
    fn written(&self, width: usize) -> Vec<String> {
        let mut values = match self {
            Self::Text(text) => vec![text.clone()],
            Self::Count(count) => vec![count.to_string()],
            Self::Percent(value) | Self::Number(value, _) | Self::Rate(value, None) | Self::Probability(value) => {
                vec![number::exact(*value)]
            }
            Self::Rate(rate, Some((low, high))) => [rate, low, high].map(|value| number::exact(*value)).to_vec(),
            Self::Blank | Self::Unknown => Vec::new(),
        };
        values.resize(width, String::new());
        values
    }
}

/// A text that may be broken where the parts of a name meet.
fn breakable(text: &str) -> Markup {
    html! { @for part in text.split_inclusive(['_', '/']) { (part) @if part.ends_with(['_', '/']) { wbr; } } }
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
    /// So many rows at the top are set in bold.
    bold: usize,
}

impl Table {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new(), bold: 0 }
    }

    pub(super) fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// Sets the rows that are there by now in bold.
    pub(super) fn embolden(&mut self) {
        self.bold = self.rows.len();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table without the columns in which nobody knows anything.
    pub(super) fn without_unknown(mut self) -> Self {
        let is_known = |index: usize| self.rows.iter().any(|row| !matches!(row[index], Cell::Unknown | Cell::Blank));
        let known: Vec<bool> = (0..self.columns.len()).map(is_known).collect();
        let mut index = known.iter();
        self.columns.retain(|_| *index.next().unwrap_or(&true));
        for row in &mut self.rows {
            let mut index = known.iter();
            row.retain(|_| *index.next().unwrap_or(&true));
        }
        self
    }

    /// The table on the page, `about` being read out before it; the first column heads the rows.
    pub(super) fn html(&self, about: &str) -> Markup {
        html! {
            div.scroll role="region" aria-label=(about) tabindex="0" {
                table {
                    thead { tr { @for column in &self.columns {
                        th.num[column.is_number] scope="col" { (breakable(&column.title)) }
                    } } }
                    tbody { @for (number, row) in self.rows.iter().enumerate() { tr.bold[number < self.bold] {
                        @for (place, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
                            @let unknown = *cell == Cell::Unknown;
                            @if place == 0 { th scope="row" { (cell.html()) } }
                            @else { td.num[column.is_number].unknown[unknown] { (cell.html()) } }
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
        let _ = writer.write_record(self.columns.iter().flat_map(|column| &column.keys));
        for row in &self.rows {
            let _ = writer
                .write_record(row.iter().zip(&self.columns).flat_map(|(cell, column)| cell.written(column.keys.len())));
        }
        writer.into_inner().unwrap_or_default()
    }
}
