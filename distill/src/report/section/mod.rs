//! The figures of the page, each made from the facts of all runs.

mod accuracy;
mod budgets;
mod completeness;
mod cost;
mod lengths;
mod paired;
mod published;
mod reasons;
mod samples;
mod settings;
mod sweep;
mod teacher;
mod training;
mod variants;

use super::facts::RunFacts;
use super::figure::Figure;

pub(super) use samples::samples;
pub(super) use settings::settings;

/// All figures, in the order of the page.
pub(super) fn figures(runs: &[RunFacts]) -> Vec<Figure> {
    let mut figures = vec![accuracy::table(runs), accuracy::drawing(runs), paired::figure(runs)];
    figures.extend(sweep::figures(runs));
    figures.extend([
        budgets::figure(runs),
        teacher::figure(runs),
        reasons::figure(runs),
        lengths::figure(runs),
        completeness::figure(runs),
        cost::figure(runs),
        training::figure(runs),
        published::figure(),
    ]);
    figures
}

/// Names of evaluations over all runs, each once.
fn evaluations(runs: &[RunFacts]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for evaluation in runs.iter().flat_map(|run| &run.evaluations) {
        if !names.contains(&evaluation.name.as_str()) {
            names.push(&evaluation.name);
        }
    }
    names
}

/// A sentence about runs that are left out of a figure, empty if none is.
fn left_out(runs: &[RunFacts], has: impl Fn(&RunFacts) -> bool, what: &str) -> String {
    let without: Vec<&str> = runs.iter().filter(|run| !has(run)).map(|run| run.name.as_str()).collect();
    if without.is_empty() { String::new() } else { format!(" Without {what}: {}.", without.join(", ")) }
}
