//! The page: one file that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::facts::{Group, RunFacts};
use super::figure::Figure;
use super::section;

const STYLE: &str = include_str!("style.css");

/// The whole page; `folder` is where the CSV files lie, seen from it, `date` what the user says it was made on.
pub(super) fn page(
    runs: &[RunFacts],
    groups: &[Group],
    figures: &[Figure],
    folder: &str,
    date: Option<&str>,
) -> String {
    let title = title(runs);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(&title, runs, figures, date))
                main {
                    (section::settings(runs, groups))
                    @for figure in figures { (figure.html(folder)) }
                    (section::samples(runs))
                }
                footer { p {
                    "Every figure's numbers lie beside this page as CSV, in full precision. Intervals are 95 %. \
                     “not known” means that nobody recorded it."
                } }
            }
        }
    }
    .into_string()
}

fn title(runs: &[RunFacts]) -> String {
    match runs {
        [run] => format!("Distillation report: {}", run.name),
        _ => format!("Distillation report: {} runs", runs.len()),
    }
}

fn head(title: &str, runs: &[RunFacts], figures: &[Figure], date: Option<&str>) -> Markup {
    let program = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    html! {
        header.top {
            h1 { (title) }
            p.note { "Written by " (program) @if let Some(date) = date { ", " (date) } "." }
            @let best = summary(runs);
            @if !best.is_empty() { ul.summary { @for line in best { li { (line) } } } }
            nav aria-label="Contents" { ul {
                li { a href="#runs" { "Runs" } }
                @for figure in figures { li { a href=(format!("#{}", figure.name)) { (figure.title) } } }
                li { a href="#samples" { "Sample rationales" } }
            } }
        }
    }
}

/// The result of each evaluation in a sentence: all of a few runs, the best of many.
fn summary(runs: &[RunFacts]) -> Vec<Markup> {
    const MOST: usize = 6;
    let results = runs.iter().flat_map(|run| run.evaluations.iter().map(move |evaluation| (run, evaluation)));
    let shown = results.take(MOST + 1).map(|(run, evaluation)| {
        let shown = |percent| super::number::fixed(percent, 2);
        html! { b { (shown(evaluation.percent)) " %" }
            @if let Some((low, high)) = evaluation.interval { " [" (shown(low)) ", " (shown(high)) "]" } " on " (evaluation.name) span.note { " (" (run.name) ", n = " (evaluation.n) ")" } }
    });
    let shown: Vec<Markup> = shown.collect();
    if shown.len() > MOST { Vec::new() } else { shown }
}
