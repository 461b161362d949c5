//! Accuracies under one another on one scale, each with its interval.

use maud::{Markup, html};

use super::plot::{marker, short};
use super::{Role, WIDTH, shortened};
use crate::report::number;

/// One row: an accuracy in percent, with its interval where it is known.
#[derive(Clone, Debug)]
pub(in crate::report) struct Whisker {
    /// Whose accuracy it is.
    pub(in crate::report) label: String,
    /// The accuracy.
    pub(in crate::report) percent: f64,
    /// Lower and upper end.
    pub(in crate::report) interval: Option<(f64, f64)>,
    /// Its colour and marker.
    pub(in crate::report) role: Role,
}

const ROW: f64 = 34.0;
const EDGE: f64 = 6.0;

/// Rows under one another from 0 to 100 %; `reference` is marked in all of them, such as the accuracy of guessing.
pub(in crate::report) fn forest(described: &str, rows: &[Whisker], reference: Option<f64>) -> Markup {
    let bottom = ROW * rows.len() as f64 + 2.0;
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {}", bottom + 18.0)) role="img" aria-label=(described) {
            title { (described) }
            @for (index, row) in rows.iter().enumerate() { (drawn(row, ROW * index as f64, reference)) }
            @for percent in [0.0, 25.0, 50.0, 75.0, 100.0] {
                line.base x1=(place(percent)) y1=(bottom) x2=(place(percent)) y2=(bottom + 4.0) {}
                text.tick x=(place(percent)) y=(bottom + 16.0) text-anchor=(anchor(percent)) { (number::fixed(percent, 0)) }
            }
            line.base x1=(EDGE) y1=(bottom) x2=(WIDTH - EDGE) y2=(bottom) {}
        }
    }
}

fn place(percent: f64) -> f64 {
    short(EDGE + percent / 100.0 * (WIDTH - 2.0 * EDGE))
}

fn drawn(row: &Whisker, top: f64, reference: Option<f64>) -> Markup {
    let class = row.role.class();
    let middle = top + 24.0;
    html! {
        g {
            title { (row.label) }
            text.label x="0" y=(top + 13.0) { (shortened(&row.label, 52)) }
            text.value x=(WIDTH) y=(top + 13.0) text-anchor="end" { (number::fixed(row.percent, 2)) }
            line.grid x1=(EDGE) y1=(middle) x2=(WIDTH - EDGE) y2=(middle) {}
            @if let Some(percent) = reference {
                line.reference x1=(place(percent)) y1=(middle - 5.0) x2=(place(percent)) y2=(middle + 5.0) {}
            }
            @if let Some((low, high)) = row.interval {
                line.whisker.(class) x1=(place(low)) y1=(middle) x2=(place(high)) y2=(middle) {}
            }
            (marker(row.role, place(row.percent), middle))
        }
    }
}

/// Labels at the ends stay inside the drawing.
fn anchor(percent: f64) -> &'static str {
    match percent {
        0.0 => "start",
        100.0 => "end",
        _ => "middle",
    }
}
