//! What the teachers took.

use maud::html;

use crate::report::facts::{RunFacts, SourceFacts};
use crate::report::figure::Figure;
use crate::report::table::{Cell, Column, Table};

/// Tokens and US dollars of each source, and per kept rationale.
pub(super) fn figure(runs: &[RunFacts]) -> Figure {
    let (name, title) = ("cost", "Cost");
    let mut table = Table::new(vec![
        Column::text("Run", "run"),
        Column::text("Source", "source"),
        Column::number("Completions", "completions"),
        Column::number("Kept", "kept"),
        Column::number("Prompt tokens", "prompt_tokens"),
        Column::number("Completion tokens", "completion_tokens"),
        Column::number("US $", "cost_usd"),
        Column::number("US $ per kept", "cost_usd_per_kept"),
        Column::number("Tokens per kept", "tokens_per_kept"),
        Column::number("Tokens known of", "completions_with_tokens"),
        Column::number("Cost known of", "completions_with_cost"),
    ]);
    for run in runs {
        for source in &run.sources {
            table.push(row(run, source));
        }
    }
    if table.is_empty() {
        return Figure::absent(name, title, "No run has a rationale store.");
    }
    let caption = "Tokens as the teacher counts them and US dollars, both only of completions that recorded them (the last two \
                   columns say of how many); what nobody recorded is not known, not nought. Kept: by the latest filter. Source: \
                   rationales.db."
        .to_owned();
    let is_known = runs.iter().flat_map(|run| &run.sources).any(|source| {
        let spent = &source.spending;
        spent.with_tokens + spent.with_cost > 0
    });
    let body = html! {
        @if !is_known { p.note { "None of these completions recorded its tokens or its cost, as recorded teachers do not." } }
        (table.clone().without_unknown().html(title))
    };
    Figure::new(name, title, caption, body, table)
}

fn row(run: &RunFacts, source: &SourceFacts) -> Vec<Cell> {
    let spent = &source.spending;
    let per_kept = |sum: f64| (spent.kept > 0).then(|| sum / spent.kept as f64);
    let tokens = match (spent.prompt_tokens, spent.completion_tokens) {
        (None, None) => None,
        (prompt, completion) => Some((prompt.unwrap_or(0) + completion.unwrap_or(0)) as f64),
    };
    vec![
        Cell::Text(run.name.clone()),
        Cell::Text(source.label()),
        Cell::Count(spent.completions),
        Cell::Count(spent.kept),
        Cell::or_unknown(spent.prompt_tokens, Cell::Count),
        Cell::or_unknown(spent.completion_tokens, Cell::Count),
        Cell::or_unknown(spent.cost_usd, |cost| Cell::Number(cost, 4)),
        Cell::or_unknown(spent.cost_usd.and_then(per_kept), |cost| Cell::Number(cost, 6)),
        Cell::or_unknown(tokens.and_then(per_kept), |tokens| Cell::Number(tokens, 1)),
        Cell::Count(spent.with_tokens),
        Cell::Count(spent.with_cost),
    ]
}
