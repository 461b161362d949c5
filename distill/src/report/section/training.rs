//! How training went.

use crate::report::chart::{Axis, Kind, Panel, Point, Role, Series, Shape};
use crate::report::facts::{RunFacts, TrainingLog};
use crate::report::figure::Figure;
use crate::report::number;

/// Points of a curve.
const POINTS: usize = 120;

/// Training and held-out loss, one panel a run.
pub(super) fn figure(runs: &[RunFacts]) -> Figure {
    let (name, title) = ("training", "Training");
    let panels: Vec<Panel> = runs.iter().filter_map(|run| Some(panel(run, run.training.as_ref()?))).collect();
    if panels.is_empty() {
        return Figure::absent(name, title, "No run has a training log.");
    }
    let caption = format!(
        "Loss per target token by optimizer step, on a logarithmic scale: the training loss as the mean of equal stretches of steps, \
         the held-out loss on rows that are not trained on. Source: train/metrics.jsonl.{}",
        super::left_out(runs, |run| run.training.is_some(), "a training log")
    );
    Figure::of_panels(name, title, caption, &panels)
}

fn panel(run: &RunFacts, log: &TrainingLog) -> Panel {
    let points = |pairs: Vec<(f64, f64)>| -> Vec<Point> {
        // A logarithm has no place for nought.
        pairs.into_iter().filter(|(_, loss)| *loss > 0.0).map(|(step, loss)| Point::new(step, loss)).collect()
    };
    let series = [
        ("training", Role::Student, Shape::Line, points(log.smoothed(POINTS))),
        ("held out", Role::Teacher, Shape::Line, points(log.held_out())),
    ];
    let series = series.into_iter().filter(|(_, _, _, points)| !points.is_empty());
    Panel {
        title: run.name.clone(),
        note: note(run, log),
        x: Axis::linear("step", "step"),
        y: Axis { kind: Kind::Logarithmic, ..Axis::linear("loss per token", "loss") },
        series: series
            .map(|(label, role, shape, points)| Series { label: label.to_owned(), role, shape, points })
            .collect(),
    }
}

/// How long it was, and which weights were kept.
fn note(run: &RunFacts, log: &TrainingLog) -> String {
    let steps = log.rows.last().map_or(0, |row| row.step);
    let Some(record) = run.stages.get("train") else {
        return format!("{} steps so far", number::grouped(u64::from(steps)));
    };
    let count = |key: &str| record.counts.get(key).copied();
    let mut note = format!("{} steps", number::grouped(u64::from(steps)));
    if let Some(parameters) = run.parameters() {
        note = format!("{} weights, {note}", number::grouped(parameters));
    }
    if let Some(chosen) = count("chosen_step") {
        note = format!("{note}, weights of step {} kept", number::grouped(chosen as u64));
    }
    note
}
