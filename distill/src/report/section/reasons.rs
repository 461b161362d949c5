//! What the filter kept, and why it rejected the rest.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use maud::html;

use crate::rationale::COUNTS_LESS;
use crate::report::chart::{Bar, Role, bars};
use crate::report::facts::RunFacts;
use crate::report::figure::{Figure, side_by_side};
use crate::report::number;
use crate::report::table::{Cell, Column, Table};

/// The verdicts on what became a training sample, in the order in which they are shown.
const KEPT: [&str; 2] = ["kept", COUNTS_LESS];

/// Verdicts by reason, one panel a run.
pub(super) fn figure(runs: &[RunFacts]) -> Figure {
    let (name, title) = ("reasons", "Verdicts of the filter");
    let mut table = Table::new(vec![
        Column::text("Run", "run"),
        Column::text("Verdict", "verdict"),
        Column::number("Rationales", "rationales"),
        Column::number("Share, %", "share_percent"),
    ]);
    let mut panels = Vec::new();
    for run in runs {
        let verdicts = verdicts(run);
        let total: u64 = verdicts.iter().map(|(_, count)| count).sum();
        if total == 0 {
            continue;
        }
        let share = |count: u64| count as f64 / total as f64;
        for (verdict, count) in &verdicts {
            table.push(vec![
                Cell::Text(run.name.clone()),
                verdict.as_str().into(),
                Cell::Count(*count),
                Cell::Percent(100.0 * share(*count)),
            ]);
        }
        let drawn: Vec<Bar> = verdicts.iter().map(|(verdict, count)| bar(verdict, *count, share(*count))).collect();
        panels.push((run.name.as_str(), total, drawn));
    }
    if panels.is_empty() {
        return Figure::absent(name, title, "No run has been filtered yet.");
    }
    let drawn = |(run, total, drawn): &(&str, u64, Vec<Bar>)| {
        html! { div.panel {
            h3 { (run) }
            p.note { (number::grouped(*total)) " rationales" }
            (bars(&format!("rationales of {run} by verdict"), drawn))
        } }
    };
    let body = side_by_side(panels.iter().map(drawn).collect());
    let caption = format!(
        "Verdicts of the latest filter on each run's rationales, from rationales.db; a rationale has one verdict, the first \
         reason that applies.{}{}",
        if runs.iter().any(counts_less) {
            " Those kept with less weight are training samples too; the loss of each is multiplied by a factor below 1."
        } else {
            ""
        },
        super::left_out(runs, |run| !verdicts(run).is_empty(), "verdicts")
    );
    Figure::new(name, title, caption, body, table)
}

/// Whether some of a run's rationales count less than others.
fn counts_less(run: &RunFacts) -> bool {
    run.sources.iter().any(|source| source.verdicts.contains_key(COUNTS_LESS))
}

/// Verdicts over all sources of a run: the kept ones first, then reasons by number.
fn verdicts(run: &RunFacts) -> Vec<(String, u64)> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for (verdict, count) in run.sources.iter().flat_map(|source| &source.verdicts) {
        *sums.entry(verdict.clone()).or_default() += count;
    }
    let mut all: Vec<(String, u64)> = sums.into_iter().collect();
    let place = |verdict: &str| KEPT.iter().position(|kept| *kept == verdict).unwrap_or(KEPT.len());
    all.sort_by_key(|(verdict, count)| (place(verdict), Reverse(*count)));
    all
}

fn bar(verdict: &str, count: u64, share: f64) -> Bar {
    Bar {
        label: verdict.replace('_', " "),
        shown: format!("{} · {} %", number::grouped(count), number::fixed(100.0 * share, 1)),
        share,
        role: if KEPT.contains(&verdict) { Role::Student } else { Role::Teacher },
    }
}
