//! Charts of our own: plain SVG, coloured by the page's style sheet, readable at the width of a telephone.

mod bars;
mod forest;
mod plot;
mod scale;

use maud::{Markup, html};

pub(super) use bars::{Bar, bars};
pub(super) use forest::{Whisker, forest};
pub(super) use scale::Kind;

/// Width of every drawing, in its own units; about as wide as a telephone, so that letters keep their size there.
const WIDTH: f64 = 360.0;

/// What a series is, which decides its colour, dash and marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The teacher.
    Teacher,
    /// The student.
    Student,
    /// A published row.
    Published,
    /// One of several of a kind, by number.
    Other(usize),
}

impl Role {
    pub(super) fn class(self) -> String {
        match self {
            Self::Teacher => "teacher".to_owned(),
            Self::Student => "student".to_owned(),
            Self::Published => "published".to_owned(),
            Self::Other(number) => format!("series-{}", number % 5),
        }
    }
}

/// How the points of a series are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A line through them.
    Line,
    /// A line of steps: each value holds until the next.
    Steps,
    /// Markers with whiskers, joined by a line.
    Marks,
}

/// One point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// Across.
    pub(super) x: f64,
    /// Up.
    pub(super) y: f64,
    /// Lower and upper end of the interval of `y`.
    pub(super) interval: Option<(f64, f64)>,
}

impl Point {
    pub(super) fn new(x: f64, y: f64) -> Self {
        Self { x, y, interval: None }
    }
}

/// Points that belong together.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// What they are.
    pub(super) label: String,
    /// Their role.
    pub(super) role: Role,
    /// How they are drawn.
    pub(super) shape: Shape,
    /// In the order of `x`.
    pub(super) points: Vec<Point>,
}

/// An axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// What it measures, with the unit.
    pub(super) title: String,
    /// Its column in the CSV.
    pub(super) key: String,
    /// Linear or logarithmic.
    pub(super) kind: Kind,
    /// Both ends; those of the data if absent.
    pub(super) range: Option<(f64, f64)>,
    /// Where the labels are, if not at round numbers.
    pub(super) ticks: Option<Vec<f64>>,
}

impl Axis {
    pub(super) fn linear(title: &str, key: &str) -> Self {
        Self { title: title.to_owned(), key: key.to_owned(), kind: Kind::Linear, range: None, ticks: None }
    }

    pub(super) fn percent(title: &str, key: &str) -> Self {
        Self { range: Some((0.0, 100.0)), ..Self::linear(title, key) }
    }
}

/// One drawing with its heading and legend.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// What heads it.
    pub(super) title: String,
    /// A sentence under the heading.
    pub(super) note: String,
    /// The axis across.
    pub(super) x: Axis,
    /// The axis up.
    pub(super) y: Axis,
    /// What is drawn; not empty.
    pub(super) series: Vec<Series>,
}

impl Panel {
    /// The panel on the page.
    pub(super) fn html(&self) -> Markup {
        html! {
            div.panel {
                h3 { (self.title) }
                @if !self.note.is_empty() { p.note { (self.note) } }
                (legend(&self.series))
                (plot::svg(self))
            }
        }
    }

    /// The drawing in words, for those who do not see it.
    fn described(&self) -> String {
        let labels: Vec<&str> = self.series.iter().map(|series| series.label.as_str()).collect();
        format!("{}: {} against {}, for {}", self.title, self.y.title, self.x.title, labels.join(", "))
    }
}

fn legend(series: &[Series]) -> Markup {
    html! {
        ul.legend { @for one in series { li {
            svg width="26" height="12" viewBox="0 0 26 12" aria-hidden="true" {
                line.line.(one.role.class()) x1="1" y1="6" x2="25" y2="6" {}
                @if one.shape == Shape::Marks { (plot::marker(one.role, 13.0, 6.0)) }
            }
            " " (one.label)
        } } }
    }
}

/// Cuts a label that would run out of its drawing; the whole of it belongs into a `<title>`.
fn shortened(label: &str, most: usize) -> String {
    if label.chars().count() <= most {
        return label.to_owned();
    }
    label.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
