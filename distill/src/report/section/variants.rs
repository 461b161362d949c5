//! Accuracy of the variants of a sweep that differ in more than a number: filters, splits, teachers.

use maud::html;

use super::evaluations;
use crate::report::chart::{Role, Whisker, forest};
use crate::report::facts::{Evaluation, RunFacts};
use crate::report::figure::{Figure, plain_name};
use crate::report::table::{Cell, Column, Table};

/// A figure for each sweep that has such an axis and two variants with an evaluation.
pub(super) fn figures(runs: &[RunFacts]) -> Vec<Figure> {
    let mut sweeps: Vec<(&str, Vec<&RunFacts>)> = Vec::new();
    for run in runs.iter().filter(|run| has_words(run) && !run.evaluations.is_empty()) {
        let Some(name) = run.group.as_deref() else { continue };
        match sweeps.iter_mut().find(|(sweep, _)| *sweep == name) {
            Some((_, variants)) => variants.push(run),
            None => sweeps.push((name, vec![run])),
        }
    }
    sweeps.iter().filter(|(_, variants)| variants.len() > 1).map(|(name, variants)| figure(name, variants)).collect()
}

/// Whether the run has a value that is no number; students of several sizes are drawn by their weights.
fn has_words(run: &RunFacts) -> bool {
    let is_drawn = |axis: &str| axis == "student" && run.parameters().is_some();
    run.axes.iter().any(|(axis, value)| value.is_str() && !is_drawn(axis))
}

fn figure(sweep: &str, variants: &[&RunFacts]) -> Figure {
    let mut table = Table::new(vec![
        Column::text("Questions", "evaluation"),
        Column::text("Variant", "variant"),
        Column::number("n", "n"),
        Column::rate("Accuracy, %", ["accuracy_percent", "low_percent", "high_percent"]),
    ]);
    let mut names: Vec<&str> = Vec::new();
    for variant in variants {
        let new = evaluations(std::slice::from_ref(*variant)).into_iter().filter(|name| !names.contains(name));
        names.extend(new.collect::<Vec<_>>());
    }
    let mut panels = Vec::new();
    for name in names {
        let found = |run: &&RunFacts| Some((label(run), run.evaluations.iter().find(|one| one.name == name)?.clone()));
        let measured: Vec<(String, Evaluation)> = variants.iter().filter_map(found).collect();
        for (label, one) in &measured {
            let rate = Cell::Rate(one.percent, one.interval);
            table.push(vec![name.into(), Cell::Text(label.clone()), Cell::Count(one.n as u64), rate]);
        }
        panels.push((name, measured.iter().map(whisker).collect::<Vec<_>>()));
    }
    let body = html! { div.panels { @for (name, whiskers) in &panels { div.panel {
        h3 { (name) }
        (forest(&format!("accuracy on {name} in percent, one row a variant of {sweep}"), whiskers, None))
    } } } };
    let axes: Vec<&str> = variants.iter().flat_map(|run| run.axes.keys().map(String::as_str)).take(3).collect();
    let title = match axes.as_slice() {
        [first, rest @ ..] if rest.iter().all(|axis| axis == first) && *first != "variant" => {
            format!("Accuracy by {}: {sweep}", first.replace(['_', '.'], " "))
        }
        _ => format!("Accuracy by variant: {sweep}"),
    };
    let caption = "Accuracy in percent with its 95 % score interval (Wilson); variants may be asked different questions where the \
                   split is varied. Paired tests stand above. Sources: sweep.json, eval-*.json."
        .to_owned();
    Figure::new(&plain_name(&["variants", sweep]), &title, caption, body, table)
}

fn whisker((label, one): &(String, Evaluation)) -> Whisker {
    let label = format!("{label} · n = {}", one.n);
    Whisker { label, percent: one.percent, interval: one.interval, role: Role::Student }
}

/// The values of a variant, without the name of an axis where there is only one.
fn label(run: &RunFacts) -> String {
    let plain = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let parts: Vec<String> = match run.axes.len() {
        1 => run.axes.values().map(plain).collect(),
        _ => run.axes.iter().map(|(axis, value)| format!("{axis} {}", plain(value))).collect(),
    };
    let weights = run.parameters().filter(|_| run.axes.contains_key("student"));
    let weights = weights.map(|weights| format!("{} weights", crate::report::number::grouped(weights)));
    parts.into_iter().chain(weights).collect::<Vec<_>>().join(", ")
}
