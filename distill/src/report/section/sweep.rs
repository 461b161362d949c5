//! Accuracy against whatever number was varied while everything else stayed: D, training questions, budgets, sizes.

use std::collections::{BTreeMap, BTreeSet};

use toml::Value;

use super::{evaluations, variants};
use crate::report::chart::{Axis, Kind, Panel, Point, Role, Series, Shape};
use crate::report::facts::RunFacts;
use crate::report::figure::{Figure, plain_name};
use crate::report::published;

type Values = BTreeMap<String, Value>;

/// Runs that are alike in everything but one number and the seeds.
struct Group<'a> {
    /// What sets it apart from other groups.
    others: Values,
    /// The number, and the run that has it.
    runs: Vec<(f64, &'a RunFacts)>,
}

/// A figure for each number that was varied.
pub(super) fn figures(runs: &[RunFacts]) -> Vec<Figure> {
    let known: Vec<(Values, &RunFacts)> = runs.iter().filter_map(|run| Some((values(run)?, run))).collect();
    let keys: BTreeSet<&String> = known.iter().flat_map(|(values, _)| values.keys()).collect();
    let mut figures: Vec<Figure> = keys.into_iter().filter_map(|key| figure(key, &groups(key, &known))).collect();
    figures.extend(variants::figures(runs));
    if figures.is_empty() {
        let reason = "No two of these runs have been evaluated and differ in one number alone, such as the degree D of diverse \
                      reasoning.";
        return vec![Figure::absent("sweep", "Sweeps", reason)];
    }
    figures
}

/// What a run can be compared by: its place in its sweep, or else its settings.
fn values(run: &RunFacts) -> Option<Values> {
    let Some(sweep) = run.group.as_ref().filter(|_| !run.axes.is_empty()) else {
        return Some(comparable(&run.settings.as_ref()?.values));
    };
    let axes = run.axes.iter().filter(|(axis, _)| !is_seed(axis));
    let mut values: Values = axes.map(|(axis, value)| value_on(run, axis, value)).collect();
    values.insert(SWEEP.to_owned(), Value::String(sweep.clone()));
    Some(values)
}

/// The key and value of an axis; students of several sizes differ in the number of their weights.
fn value_on(run: &RunFacts, axis: &str, value: &Value) -> (String, Value) {
    match (axis, run.parameters()) {
        ("degree", _) => (DEGREE.to_owned(), value.clone()),
        ("student", Some(weights)) => (WEIGHTS.to_owned(), Value::Integer(weights as i64)),
        _ => (axis.to_owned(), value.clone()),
    }
}

fn is_seed(key: &str) -> bool {
    key.rsplit('.').next() == Some("seed")
}

/// Settings without names and seeds; what all sources have alike counts once.
fn comparable(values: &Values) -> Values {
    let mut alike: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for (key, value) in values {
        let Some((number, rest)) = key.strip_prefix("source.").and_then(|rest| rest.split_once('.')) else { continue };
        if number.parse::<u32>().is_ok() {
            alike.entry(rest.trim_start_matches("questions.").to_owned()).or_default().push(value);
        }
    }
    let is_left_out = |key: &str| key == "name" || is_seed(key) || key.starts_with("eval.");
    let mut comparable = Values::new();
    for (key, value) in values.iter().filter(|(key, _)| !is_left_out(key)) {
        let rest = key.strip_prefix("source.").and_then(|rest| rest.split_once('.'));
        let rest = rest.map(|(_, rest)| rest.trim_start_matches("questions."));
        match rest.filter(|rest| alike.get(*rest).is_some_and(|all| all.iter().all(|one| *one == all[0]))) {
            Some(rest) => comparable.insert(format!("source.{rest}"), value.clone()),
            None => comparable.insert(key.clone(), value.clone()),
        };
    }
    comparable
}

/// Groups in which `key` has at least two values.
fn groups<'a>(key: &str, known: &[(Values, &'a RunFacts)]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (values, run) in known {
        let mut others = values.clone();
        let Some(level) = others.remove(key).as_ref().and_then(number) else { continue };
        match groups.iter_mut().find(|group| group.others == others) {
            Some(group) => group.runs.push((level, run)),
            None => groups.push(Group { others, runs: vec![(level, run)] }),
        }
    }
    groups.retain(|group| differ(group.runs.iter().map(|(level, _)| *level)));
    for group in &mut groups {
        group.runs.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    }
    groups
}

fn differ(levels: impl Iterator<Item = f64>) -> bool {
    let all: BTreeSet<u64> = levels.map(f64::to_bits).collect();
    all.len() > 1
}

fn number(value: &Value) -> Option<f64> {
    value.as_integer().map(|number| number as f64).or(value.as_float())
}

fn figure(key: &str, groups: &[Group<'_>]) -> Option<Figure> {
    let runs: Vec<&RunFacts> = groups.iter().flat_map(|group| group.runs.iter().map(|(_, run)| *run)).collect();
    let mut names: Vec<&str> = Vec::new();
    for run in &runs {
        names.extend(
            evaluations(std::slice::from_ref(*run))
                .into_iter()
                .filter(|name| !names.contains(name))
                .collect::<Vec<_>>(),
        );
    }
    let panels: Vec<Panel> = names.into_iter().filter_map(|name| panel(key, name, groups)).collect();
    let has_published = panels.iter().flat_map(|panel| &panel.series).any(|series| series.role == Role::Published);
    let title = format!("Accuracy against {}", spoken(key));
    let caption = format!(
        "Accuracy with its 95 % score interval (Wilson) of runs that differ in `{key}` alone (seeds apart), from their recorded \
         settings (experiment.toml, sweep.json) and evaluations (eval-*.json).{}",
        if has_published { format!(" {}", published::CAVEAT) } else { String::new() }
    );
    let name = plain_name(&["sweep", key]);
    (!panels.is_empty()).then(|| Figure::of_panels(&name, &title, caption, &panels))
}

const DEGREE: &str = "source.degree";
const WEIGHTS: &str = "weights of the student";
/// The key under which the sweep of a run is kept.
const SWEEP: &str = "sweep";

/// The published table that varies the same number.
fn published_table(key: &str) -> Option<&'static str> {
    match key {
        DEGREE => Some("degree"),
        QUESTIONS => Some("questions"),
        _ => None,
    }
}

const QUESTIONS: &str = "training_questions";

/// What a key means, for those that the method has a word for.
fn spoken(key: &str) -> String {
    match key {
        DEGREE => "the degree D of diverse reasoning".to_owned(),
        QUESTIONS | "source.questions" => "the number of training questions".to_owned(),
        "training_rationales" => "the number of training rationales".to_owned(),
        WEIGHTS => format!("the number of {WEIGHTS}"),
        "rationale_tokens" => "the teacher's rationale budget, in tokens".to_owned(),
        "prediction_tokens" => "the student's prediction budget, in tokens".to_owned(),
        "contract.budgets.rationale_tokens" => "the rationale budget, in tokens".to_owned(),
        "contract.budgets.answer_tokens" => "the answer budget, in tokens".to_owned(),
        _ => key.to_owned(),
    }
}

fn panel(key: &str, evaluation: &str, groups: &[Group<'_>]) -> Option<Panel> {
    let found = |run: &RunFacts| run.evaluations.iter().find(|one| one.name == evaluation).cloned();
    let mut series: Vec<Series> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let points: Vec<Point> = group
            .runs
            .iter()
            .filter_map(|(level, run)| {
                found(run).map(|one| Point { x: *level, y: one.percent, interval: one.interval })
            })
            .collect();
        if differ(points.iter().map(|point| point.x)) {
            series.push(Series { label: label(group, groups), role: Role::Other(index), shape: Shape::Marks, points });
        }
    }
    let first = groups.iter().flat_map(|group| &group.runs).find_map(|(_, run)| Some((run, found(run)?)))?;
    if series.is_empty() {
        return None;
    }
    if let (Some(task), Some(table)) = (first.1.published_task(), published_table(key)) {
        series.extend(theirs(table, task, first.0.parameters()));
    }
    let mut levels: Vec<f64> = series.iter().flat_map(|one| one.points.iter().map(|point| point.x)).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let (least, most) = (levels[0], levels[levels.len() - 1]);
    let kind = if least > 0.0 && most / least >= 8.0 { Kind::Logarithmic } else { Kind::Linear };
    Some(Panel {
        title: evaluation.to_owned(),
        note: format!("n = {}", first.1.n),
        x: Axis {
            kind,
            range: Some(padded(kind, least, most)),
            ticks: Some(levels),
            ..Axis::linear(&spoken(key), "level")
        },
        y: Axis::percent("% right", "accuracy_percent"),
        series,
    })
}

/// Room on both sides, so that no whisker lies on an axis.
fn padded(kind: Kind, least: f64, most: f64) -> (f64, f64) {
    match kind {
        Kind::Linear => (least - 0.06 * (most - least), most + 0.06 * (most - least)),
        Kind::Logarithmic => {
            let room = (most / least).powf(0.06);
            (least / room, most * room)
        }
    }
}

/// The published curve of the student nearest in size.
fn theirs(table: &str, task: &str, parameters: Option<u64>) -> Option<Series> {
    let size = published::nearest(parameters);
    let is_it = |row: &&published::PublishedRow| {
        row.table == table && row.model == "GPT-2" && row.parameters == size && row.task == task
    };
    let rows = published::rows().iter().filter(is_it);
    let points: Vec<Point> =
        rows.filter_map(|row| Some(Point::new(row.level.parse().ok()?, row.accuracy_percent))).collect();
    let label = format!("GPT-2 {size}, published");
    (!points.is_empty()).then_some(Series { label, role: Role::Published, shape: Shape::Marks, points })
}

/// What sets a group apart from the others, or the common name of its runs.
fn label(group: &Group<'_>, groups: &[Group<'_>]) -> String {
    let differs = |key: &&String| groups.iter().any(|other| other.others.get(*key) != group.others.get(*key));
    let mut apart: Vec<String> = group.others.keys().filter(differs).map(|key| part(key, &group.others[key])).collect();
    apart.truncate(2);
    if apart.is_empty() { "ours".to_owned() } else { apart.join(", ") }
}

fn part(key: &str, value: &Value) -> String {
    match value.as_str() {
        Some(sweep) if key == SWEEP => sweep.to_owned(),
        Some(text) => format!("{key} = {text}"),
        None => format!("{key} = {value}"),
    }
}
