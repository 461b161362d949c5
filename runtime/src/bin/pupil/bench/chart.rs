//! Two kinds of drawing in plain SVG, coloured by the page's style sheet: lines over an axis, and bars with whiskers.

use std::fmt::Write;

use super::figure::Figure;
use super::table::number;

/// Width of every drawing, in its own units: about a telephone's, so that letters keep their size there.
const WIDTH: f64 = 360.0;
/// Height of a drawing of lines.
const HEIGHT: f64 = 220.0;
/// Room for the labels of the axes.
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 36.0;
const TOP: f64 = 22.0;
const RIGHT: f64 = 12.0;
/// Height of a bar with its label above it, and of the bar alone.
const BAR_PITCH: f64 = 36.0;
const BAR: f64 = 12.0;

/// Points that belong together.
pub(super) struct Series<'a> {
    pub(super) label: &'a str,
    /// What it is, for the style sheet: `measured` or `ceiling`.
    pub(super) class: &'a str,
    /// Place across, and the runs.
    pub(super) points: Vec<(f64, &'a Figure)>,
}

/// One bar.
pub(super) struct Bar<'a> {
    pub(super) label: String,
    pub(super) figure: &'a Figure,
}

/// Lines through the medians, with whiskers from the least to the most.
pub(super) fn lines(title: &str, x_title: &str, unit: &str, series: &[Series<'_>]) -> String {
    let points = || series.iter().flat_map(|one| &one.points);
    let across = Scale::new(points().map(|(x, _)| *x), LEFT, WIDTH - RIGHT);
    let up = Scale::new(points().map(|(_, figure)| figure.most), HEIGHT - BOTTOM, TOP);
    let mut svg = open(title, HEIGHT);
    for tick in up.ticks() {
        let y = up.place(tick);
        let _ = write!(svg, r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/>"#, WIDTH - RIGHT);
        let _ = write!(svg, r#"<text class="end" x="{:.1}" y="{:.1}">{}</text>"#, LEFT - 6.0, y + 4.0, label(tick));
    }
    for tick in across.ticks() {
        let _ = write!(
            svg,
            r#"<text class="middle" x="{:.1}" y="{:.1}">{}</text>"#,
            across.place(tick),
            HEIGHT - BOTTOM + 16.0,
            label(tick)
        );
    }
    let _ =
        write!(svg, r#"<text class="end" x="{:.1}" y="{:.1}">{}</text>"#, WIDTH - RIGHT, HEIGHT - 4.0, escape(x_title));
    let _ = write!(svg, r#"<text x="{:.1}" y="{:.1}">{}</text>"#, LEFT, TOP - 10.0, escape(unit));
    for one in series {
        one.draw(&mut svg, &across, &up);
    }
    svg + "</svg>"
}

impl Series<'_> {
    fn draw(&self, svg: &mut String, across: &Scale, up: &Scale) {
        let class = self.class;
        let places: Vec<(f64, f64)> =
            self.points.iter().map(|(x, figure)| (across.place(*x), up.place(figure.median))).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(svg, r#"<polyline class="line {class}" points="{}"/>"#, path.join(" "));
        for ((place, figure), (x, y)) in self.points.iter().zip(places) {
            let (low, high) = (up.place(figure.least), up.place(figure.most));
            let words = format!("{}, {}: {}", self.label, label(*place), number(figure.median));
            let _ = write!(
                svg,
                r#"<line class="whisker {class}" x1="{x:.1}" x2="{x:.1}" y1="{low:.1}" y2="{high:.1}"/><circle class="mark {class}" cx="{x:.1}" cy="{y:.1}" r="3"><title>{}</title></circle>"#,
                escape(&words)
            );
        }
    }
}

/// Bars of the medians from 0, with whiskers from the least to the most.
pub(super) fn bars(title: &str, unit: &str, bars: &[Bar<'_>]) -> String {
    let scale = Scale::new(bars.iter().map(|bar| bar.figure.most), 0.0, WIDTH - RIGHT);
    let mut svg = open(title, BAR_PITCH * bars.len() as f64);
    for (index, bar) in bars.iter().enumerate() {
        let top = BAR_PITCH * index as f64;
        let Figure { median, least, most, .. } = bar.figure;
        let middle = top + 18.0 + BAR / 2.0;
        let _ = write!(
            svg,
            r#"<text x="0" y="{:.1}">{}</text><text class="end value" x="{:.1}" y="{:.1}">{} {}</text>"#,
            top + 13.0,
            escape(&bar.label),
            WIDTH - RIGHT,
            top + 13.0,
            number(*median),
            escape(unit)
        );
        let _ = write!(
            svg,
            r#"<rect class="track" x="0" y="{0:.1}" width="{1:.1}" height="{BAR}"/><rect class="bar" x="0" y="{0:.1}" width="{2:.1}" height="{BAR}"/><line class="whisker over" x1="{3:.1}" x2="{4:.1}" y1="{middle:.1}" y2="{middle:.1}"/>"#,
            top + 18.0,
            WIDTH - RIGHT,
            scale.place(*median),
            scale.place(*least),
            scale.place(*most)
        );
    }
    svg + "</svg>"
}

fn open(title: &str, height: f64) -> String {
    format!(r#"<svg role="img" aria-label="{}" viewBox="0 0 {WIDTH} {height:.0}">"#, escape(title))
}

/// A linear scale from 0.
struct Scale {
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn new(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        Self { most: if most > 0.0 { most * 1.05 } else { 1.0 }, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * value / self.most
    }

    /// Round numbers from 0, at most six.
    fn ticks(&self) -> Vec<f64> {
        let rough = self.most / 5.0;
        let power = 10.0_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        (0..=6).map(|index| f64::from(index) * step).filter(|tick| *tick <= self.most).collect()
    }
}

/// A tick without digits that say nothing.
fn label(value: f64) -> String {
    // The shortest text of the number once the noise of its arithmetic is rounded away.
    format!("{}", (value * 1e6).round() / 1e6)
}

/// Text inside a page.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale::new([437.0].into_iter(), 0.0, 100.0);
        assert_eq!(scale.ticks(), [0.0, 100.0, 200.0, 300.0, 400.0]);
        let small = Scale::new([0.7].into_iter(), 0.0, 100.0);
        let labels: Vec<String> = small.ticks().into_iter().map(label).collect();
        assert_eq!(labels, ["0", "0.2", "0.4", "0.6"]);
        assert!(!Scale::new(std::iter::empty(), 0.0, 1.0).ticks().is_empty());
    }

    #[test]
    fn drawings_hold_every_point_and_no_raw_text() {
        let figure = Figure::of([1.0, 2.0, 3.0]).unwrap();
        let points = vec![(64.0, &figure), (512.0, &figure)];
        let svg = lines("a < b", "tokens", "tokens/s", &[Series { label: "<x>", class: "measured", points }]);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("<x>") && !svg.contains("NaN"), "{svg}");
        let bar = Bar { label: "a&b".to_owned(), figure: &figure };
        assert!(bars("bars", "ms", &[bar]).contains("a&amp;b"));
    }
}
