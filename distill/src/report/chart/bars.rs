//! Horizontal bars with their labels above them, so that labels of any length have room.

use maud::{Markup, html};

use super::plot::short;
use super::{Role, WIDTH, shortened};

/// One bar.
#[derive(Clone, Debug)]
pub(in crate::report) struct Bar {
    /// What it counts.
    pub(in crate::report) label: String,
    /// The number in words, at the right end.
    pub(in crate::report) shown: String,
    /// Its length, as a share of the longest possible.
    pub(in crate::report) share: f64,
    /// Its colour.
    pub(in crate::report) role: Role,
}

const ROW: f64 = 32.0;

/// Bars under one another; `described` is read out instead of the drawing.
pub(in crate::report) fn bars(described: &str, bars: &[Bar]) -> Markup {
    let height = ROW * bars.len() as f64 + 2.0;
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(described) {
            title { (described) }
            @for (index, bar) in bars.iter().enumerate() {
                @let top = ROW * index as f64;
                text.label x="0" y=(top + 13.0) { (shortened(&bar.label, 40)) }
                text.value x=(WIDTH) y=(top + 13.0) text-anchor="end" { (bar.shown) }
                rect.track x="0" y=(top + 18.0) width=(WIDTH) height="7" {}
                rect.bar.(bar.role.class()) x="0" y=(top + 18.0) width=(short(WIDTH * bar.share.clamp(0.0, 1.0))) height="7" {}
            }
        }
    }
}
