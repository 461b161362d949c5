//! How many completions are finished within a budget.

use crate::report::chart::{Axis, Panel, Point, Role, Series, Shape};
use crate::report::facts::RunFacts;
use crate::report::figure::Figure;

/// Points of a curve.
const POINTS: usize = 64;

/// Share finished against the budget, one panel a run.
pub(super) fn figure(runs: &[RunFacts]) -> Figure {
    let (name, title) = ("completeness", "Finished within a budget");
    let panels: Vec<Panel> = runs.iter().filter_map(panel).collect();
    if panels.is_empty() {
        let reason = "No run has both a contract, which states the budget, and completions.";
        return Figure::absent(name, title, reason);
    }
    let caption = "Share of completions that were ended by their writer within so many tokens of the student, up to the budget \
                   of the run's contract; one cut off counts as not finished at any budget. A teacher that gave no reason for \
                   stopping is taken to have finished. Sources: rationales.db, eval-*.completions.jsonl."
        .to_owned();
    Figure::of_panels(name, title, caption, &panels)
}

fn panel(run: &RunFacts) -> Option<Panel> {
    let contract = run.contract.as_ref().filter(|_| run.has_tokenizer)?;
    let budget = contract.completion_budget_tokens();
    let taught = run.lessons.taken.iter().filter(|_| contract.answer_marker.is_some());
    let teacher: Vec<Option<usize>> = taught.map(|lesson| lesson.is_complete().then_some(lesson.length)).collect();
    let graded = run.evaluations.iter().flat_map(|evaluation| &evaluation.graded);
    let student: Vec<Option<usize>> = graded.map(|graded| graded.complete.then_some(graded.tokens)).collect();
    let series = [("teacher", Role::Teacher, teacher), ("student", Role::Student, student)];
    let series: Vec<Series> = series
        .into_iter()
        .filter(|(_, _, lengths)| !lengths.is_empty())
        .map(|(label, role, lengths)| Series {
            label: format!("{label} (n = {})", lengths.len()),
            role,
            shape: Shape::Steps,
            points: curve(lengths, budget),
        })
        .collect();
    (!series.is_empty()).then(|| Panel {
        title: run.name.clone(),
        note: format!("budget {budget} tokens"),
        x: Axis { range: Some((0.0, budget as f64)), ..Axis::linear("tokens", "budget_tokens") },
        y: Axis::percent("% finished", "finished_percent"),
        series,
    })
}

/// The share finished within each of some budgets, up to `budget` itself; `None` is a completion that was cut off.
fn curve(lengths: Vec<Option<usize>>, budget: usize) -> Vec<Point> {
    let total = lengths.len() as f64;
    let mut finished: Vec<usize> = lengths.into_iter().flatten().collect();
    finished.sort_unstable();
    let step = budget.div_ceil(POINTS).max(1);
    let budgets = (0..budget).step_by(step).chain([budget]);
    budgets
        .map(|budget| {
            let within = finished.partition_point(|&length| length <= budget);
            Point::new(budget as f64, 100.0 * within as f64 / total)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_off_is_never_finished() {
        let points = curve(vec![Some(1), Some(3), None, Some(200)], 4);
        let shares: Vec<(f64, f64)> = points.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(shares, [(0.0, 0.0), (1.0, 25.0), (2.0, 25.0), (3.0, 50.0), (4.0, 50.0)]);
    }
}
