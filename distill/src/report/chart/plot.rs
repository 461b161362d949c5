//! Lines, steps and markers over two axes.

use maud::{Markup, html};

use super::scale::{Kind, Scale};
use super::{Axis, Panel, Point, Role, Series, Shape, WIDTH};
use crate::report::number;

const HEIGHT: f64 = 220.0;
const LEFT: f64 = 42.0;
const RIGHT: f64 = 350.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 178.0;

/// The drawing of a panel.
pub(super) fn svg(panel: &Panel) -> Markup {
    let points = || panel.series.iter().flat_map(|series| &series.points);
    let x = scale(&panel.x, points().map(|point| point.x), (LEFT, RIGHT));
    let ends = points().flat_map(|point| {
        let (low, high) = point.interval.unwrap_or((point.y, point.y));
        [low, point.y, high]
    });
    let y = scale(&panel.y, ends, (BOTTOM, TOP));
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(panel.described()) {
            title { (panel.described()) }
            (grid(panel, &x, &y))
            @for series in &panel.series { (drawn(series, &x, &y)) }
            text.axis x=(LEFT) y=(TOP - 9.0) { (panel.y.title) }
            text.axis x=(RIGHT) y=(HEIGHT - 6.0) text-anchor="end" { (panel.x.title) }
        }
    }
}

fn scale(axis: &Axis, values: impl Iterator<Item = f64>, places: (f64, f64)) -> Scale {
    let ends = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let range = axis.range.unwrap_or_else(|| values.fold((f64::INFINITY, f64::NEG_INFINITY), ends));
    Scale::new(axis.kind, range, places)
}

fn grid(panel: &Panel, x: &Scale, y: &Scale) -> Markup {
    let (across, across_step) = labels(&panel.x, x, 6);
    let (up, up_step) = labels(&panel.y, y, 4);
    html! {
        @for value in up {
            @let place = short(y.place(value));
            line.grid x1=(LEFT) y1=(place) x2=(RIGHT) y2=(place) {}
            text.tick x=(LEFT - 6.0) y=(place) dy="3.8" text-anchor="end" { (label(&panel.y, value, up_step)) }
        }
        line.base x1=(LEFT) y1=(BOTTOM) x2=(RIGHT) y2=(BOTTOM) {}
        @for value in across {
            @let place = short(x.place(value));
            line.base x1=(place) y1=(BOTTOM) x2=(place) y2=(BOTTOM + 4.0) {}
            text.tick x=(place) y=(BOTTOM + 16.0) text-anchor="middle" { (label(&panel.x, value, across_step)) }
        }
    }
}

/// The label of a value: values on a logarithmic axis have each as many digits as they need.
fn label(axis: &Axis, value: f64, step: f64) -> String {
    match axis.kind {
        Kind::Linear => number::tick(value, step),
        Kind::Logarithmic if value >= 10_000.0 => number::tick(value, 1.0),
        Kind::Logarithmic => number::exact((value * 1e9).round() / 1e9),
    }
}

/// Values that are labelled, and the least distance between two.
fn labels(axis: &Axis, scale: &Scale, count: usize) -> (Vec<f64>, f64) {
    let Some(ticks) = &axis.ticks else { return scale.ticks(count) };
    let whole = ticks.iter().all(|tick| tick.fract() == 0.0);
    let step = if whole { 1.0 } else { ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(1.0, f64::min) };
    // Labels closer than this would touch.
    let mut kept: Vec<f64> = Vec::new();
    for &tick in ticks {
        if kept.last().is_none_or(|&last| (scale.place(tick) - scale.place(last)).abs() >= 26.0) {
            kept.push(tick);
        }
    }
    (kept, step)
}

fn drawn(series: &Series, x: &Scale, y: &Scale) -> Markup {
    let class = series.role.class();
    let place = |point: &Point| (x.place(point.x), y.place(point.y));
    html! {
        path.line.(class) d=(path(series, place)) {}
        @if series.shape == Shape::Marks { @for point in &series.points {
            @let (across, up) = place(point);
            @if let Some((low, high)) = point.interval {
                line.whisker.(class) x1=(short(across)) y1=(short(y.place(low))) x2=(short(across)) y2=(short(y.place(high))) {}
            }
            (marker(series.role, across, up))
        } }
    }
}

fn path(series: &Series, place: impl Fn(&Point) -> (f64, f64)) -> String {
    let part = |(index, point): (usize, &Point)| {
        let (across, up) = place(point);
        let (across, up) = (short(across), short(up));
        match (index, series.shape) {
            (0, _) => format!("M{across} {up}"),
            (_, Shape::Steps) => format!("H{across}V{up}"),
            _ => format!("L{across} {up}"),
        }
    };
    series.points.iter().enumerate().map(part).collect()
}

/// The marker of a role; the shape says what the colour says.
pub(super) fn marker(role: Role, across: f64, up: f64) -> Markup {
    let class = role.class();
    let (across, up) = (short(across), short(up));
    match role {
        Role::Student | Role::Other(0) => html! { circle.mark.(class) cx=(across) cy=(up) r="4" {} },
        Role::Published => html! {
            path.mark.(class) d=(format!("M{across} {}l4.5 4.5l-4.5 4.5l-4.5 -4.5z", short(up - 4.5))) {}
        },
        Role::Other(number) if number % 2 == 0 => html! {
            path.mark.(class) d=(format!("M{across} {}l4.6 8h-9.2z", short(up - 5.0))) {}
        },
        _ => html! { rect.mark.(class) x=(short(across - 3.6)) y=(short(up - 3.6)) width="7.2" height="7.2" {} },
    }
}

/// Tenths are finer than a screen shows.
pub(super) fn short(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}
