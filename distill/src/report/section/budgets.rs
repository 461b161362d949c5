//! How right the student is with other budgets, where that was measured.

use crate::eval::budget::BudgetReport;
use crate::report::chart::{Axis, Panel, Point, Role, Series, Shape};
use crate::report::facts::{Evaluation, RunFacts};
use crate::report::figure::Figure;

/// Accuracy and completeness against the budget of a completion.
pub(super) fn figure(runs: &[RunFacts]) -> Figure {
    let all = runs.iter().flat_map(|run| run.evaluations.iter().map(move |evaluation| (run, evaluation)));
    let measured = all.filter(|(_, evaluation)| !evaluation.budgets.is_empty());
    let panels: Vec<Panel> = measured.map(|(run, evaluation)| panel(run, evaluation)).collect();
    let caption = "Accuracy with its 95 % interval (Wilson), and completions that the student ended itself, when completions are cut \
                   at so many tokens and no answer is forced. Source: budgets-*.json."
        .to_owned();
    let title = "Accuracy against the budget of a completion";
    if panels.is_empty() {
        let reason = "No run measured its student with several budgets (`budgets` of an `[[eval]]`).";
        return Figure::absent("budgets", title, reason);
    }
    Figure::of_panels("budgets", title, caption, &panels)
}

fn panel(run: &RunFacts, evaluation: &Evaluation) -> Panel {
    let mut results: Vec<&BudgetReport> = evaluation.budgets.iter().collect();
    results.sort_by_key(|result| result.budget_tokens);
    let right = results.iter().map(|result| Point {
        x: result.budget_tokens as f64,
        y: 100.0 * result.report.accuracy,
        interval: Some((100.0 * result.report.low, 100.0 * result.report.high)),
    });
    let finished =
        results.iter().map(|result| Point::new(result.budget_tokens as f64, 100.0 * result.report.completeness));
    let series = [("right", Role::Student, right.collect()), ("finished", Role::Teacher, finished.collect())];
    Panel {
        title: format!("{} on {}", run.name, evaluation.name),
        note: format!("n = {}", evaluation.n),
        x: Axis::linear("tokens", "budget_tokens"),
        y: Axis::percent("% of questions", "percent"),
        series: series
            .into_iter()
            .map(|(label, role, points)| Series { label: label.to_owned(), role, shape: Shape::Marks, points })
            .collect(),
    }
}
