//! What was run: one line a run, and its exact settings.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::pipeline::StageName;
use crate::report::facts::{Group, RunFacts};
use crate::report::number;
use crate::report::table::{Cell, Column, Table};

/// The head of the page: what, by which program, when, from which settings.
pub(in crate::report) fn settings(runs: &[RunFacts], groups: &[Group]) -> Markup {
    let mut table = Table::new(vec![
        Column::text("Run", "run"),
        Column::text("Method", "method"),
        Column::text("Teacher", "teacher"),
        Column::number("Student weights", "weights"),
        Column::text("Done up to", "stages"),
        Column::text("Replies arrived", "arrived"),
        Column::text("Settings", "settings"),
    ]);
    for run in runs {
        table.push(vec![
            Cell::Text(run.name.clone()),
            Cell::Text(run.method()),
            of_own(run, Cell::or_unknown(teachers(run), Cell::Text)),
            of_own(run, Cell::or_unknown(run.parameters(), Cell::Count)),
            Cell::Text(stages(run)),
            of_own(run, Cell::or_unknown(arrived(run), Cell::Text)),
            of_own(
                run,
                Cell::or_unknown(run.settings.as_ref(), |settings| {
                    Cell::Text(settings.digest.to_string()[7..19].to_owned())
                }),
            ),
        ]);
    }
    html! {
        section #runs {
            h2 { "Runs" }
            (table.without_unknown().html("Runs"))
            p.note {
                "Runs made by " (makers(runs)) ". Settings: the first twelve digits of the SHA-256 of the run's experiment.toml; “not known” where the run has none. \
                 A trained student that has no evaluation, and the like, is missing from the figures below, not zero in them."
            }
            (failures(groups))
            @let recorded: Vec<(&str, &str)> = runs.iter().filter_map(recorded).collect();
            @if !recorded.is_empty() { details {
                summary { "Settings of each run" }
                @for (run, text) in recorded { details { summary { (run) } pre { (text) } } }
            } }
        }
    }
}

/// Members of sweeps and comparisons that came to nothing.
fn failures(groups: &[Group]) -> Markup {
    let all = groups.iter().flat_map(|group| group.failures.iter().map(move |failure| (group, failure)));
    html! {
        @for (group, (name, why)) in all {
            p.failure { b { (group.name) "/" (name) " failed: " } (why) }
        }
    }
}

fn recorded(run: &RunFacts) -> Option<(&str, &str)> {
    Some((&run.name, &run.settings.as_ref()?.text))
}

/// What only a run with a student of its own has.
fn of_own(run: &RunFacts, cell: Cell) -> Cell {
    if run.is_measurement() && cell == Cell::Unknown { Cell::Blank } else { cell }
}

/// The programs that ran the stages.
fn makers(runs: &[RunFacts]) -> String {
    let records = runs.iter().flat_map(|run| run.stages.values());
    let makers: BTreeSet<&str> = records.map(|record| record.created_by.as_str()).collect();
    if makers.is_empty() { "an unknown program".to_owned() } else { makers.into_iter().collect::<Vec<_>>().join(", ") }
}

fn teachers(run: &RunFacts) -> Option<String> {
    let mut names: Vec<&str> = run.sources.iter().map(|source| source.teacher.as_str()).collect();
    names.dedup();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The last stage that is done.
fn stages(run: &RunFacts) -> String {
    let evaluations = run.evaluations.len();
    if evaluations > 0 {
        let plural = if evaluations == 1 { "" } else { "s" };
        return format!("{} evaluation{plural}", number::grouped(evaluations as u64));
    }
    let last = StageName::ALL.into_iter().rev().find(|stage| run.stages.contains_key(stage.as_str()));
    last.map_or("nothing yet", StageName::as_str).to_owned()
}

/// When the teachers' replies arrived, as the store has it.
fn arrived(run: &RunFacts) -> Option<String> {
    let first = run.sources.iter().filter_map(|source| source.spending.first_arrival_ms).min()?;
    let last = run.sources.iter().filter_map(|source| source.spending.last_arrival_ms).max()?;
    let shown = |ms: u64| {
        let moment = std::time::UNIX_EPOCH + std::time::Duration::from_millis(ms);
        httpdate::fmt_http_date(moment)
    };
    if first / 1000 == last / 1000 { Some(shown(first)) } else { Some(format!("{} to {}", shown(first), shown(last))) }
}
