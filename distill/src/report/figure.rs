//! A figure: what is measured, drawn, and written as CSV from the same values.

use maud::{Markup, html};

use super::chart::Panel;
use super::table::{Cell, Column, Table};

/// A figure of the page, or the reason why there is none.
#[derive(Debug)]
pub(super) struct Figure {
    /// File stem of its CSV, and its anchor on the page.
    pub(super) name: String,
    /// What heads it.
    pub(super) title: String,
    /// What is measured, on how many, from which files.
    pub(super) caption: String,
    /// The drawing or table; a sentence where there is nothing to draw.
    pub(super) body: Markup,
    /// The values behind it; without rows there is no CSV.
    pub(super) table: Table,
}

impl Figure {
    pub(super) fn new(name: &str, title: &str, caption: String, body: Markup, table: Table) -> Self {
        Self { name: name.to_owned(), title: title.to_owned(), caption, body, table }
    }

    /// A figure whose drawing is a table.
    pub(super) fn of_table(name: &str, title: &str, caption: String, table: Table) -> Self {
        Self { body: table.html(title), ..Self::new(name, title, caption, Markup::default(), table) }
    }

    /// A figure of several panels; its table has a row per point.
    pub(super) fn of_panels(name: &str, title: &str, caption: String, panels: &[Panel]) -> Self {
        let body = side_by_side(panels.iter().map(Panel::html).collect());
        Self::new(name, title, caption, body, points(panels))
    }

    /// A figure that cannot be drawn, with the reason.
    pub(super) fn absent(name: &str, title: &str, reason: &str) -> Self {
        let body = html! { p.absent { (reason) } };
        Self::new(name, title, String::new(), body, Table::new(Vec::new()))
    }

    /// The figure on the page; `folder` is where its CSV lies, seen from the page.
    pub(super) fn html(&self, folder: &str) -> Markup {
        html! {
            figure id=(self.name) {
                h2 { (self.title) }
                (self.body)
                @if !self.table.is_empty() {
                    figcaption {
                        (self.caption) " "
                        a href=(format!("{folder}/{}.csv", self.name)) { "Data: " (self.name) ".csv" }
                    }
                }
            }
        }
    }
}

/// Panels that are on view; more of them are folded away.
const ON_VIEW: usize = 9;

/// Panels beside one another.
pub(super) fn side_by_side(mut panels: Vec<Markup>) -> Markup {
    let rest = panels.split_off(panels.len().min(ON_VIEW));
    html! {
        div.panels { @for panel in panels { (panel) } }
        @if !rest.is_empty() { details.more {
            summary { (rest.len()) " more" }
            div.panels { @for panel in rest { (panel) } }
        } }
    }
}

/// A name for a file and an anchor, whatever the parts are.
pub(super) fn plain_name(parts: &[&str]) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() || character == '_' { character } else { '-' };
    parts.join("-").chars().map(plain).collect()
}

fn points(panels: &[Panel]) -> Table {
    let Some(first) = panels.first() else { return Table::new(Vec::new()) };
    let mut table = Table::new(vec![
        Column::text("Panel", "panel"),
        Column::text("Series", "series"),
        Column::number(&first.x.title, &first.x.key),
        Column::rate(&first.y.title, [&first.y.key, "low", "high"]),
    ]);
    for panel in panels {
        for series in &panel.series {
            for point in &series.points {
                table.push(vec![
                    Cell::Text(panel.title.clone()),
                    Cell::Text(series.label.clone()),
                    Cell::Number(point.x, 3),
                    Cell::Rate(point.y, point.interval),
                ]);
            }
        }
    }
    table
}
