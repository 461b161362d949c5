//! Paired tests between students that answered the same questions.

use super::evaluations;
use crate::eval::Paired;
use crate::report::facts::{Evaluation, RunFacts};
use crate::report::figure::Figure;
use crate::report::table::{Cell, Column, Table};

/// Up to this many students every pair is tested; of more, each is tested against the first.
const EVERY_PAIR: usize = 5;

/// The tests, or why there are none.
pub(super) fn figure(runs: &[RunFacts]) -> Figure {
    let (name, title) = ("paired", "Paired differences");
    let mut table = Table::new(vec![
        Column::text("First", "first"),
        Column::text("Second", "second"),
        Column::text("Questions", "evaluation"),
        Column::number("n", "n"),
        Column::number("Both right", "both"),
        Column::number("Only first", "first_only"),
        Column::number("Only second", "second_only"),
        Column::rate("Difference, points [95 %]", ["difference_points", "low_points", "high_points"]),
        Column::number("p", "p"),
    ]);
    for evaluation in evaluations(runs) {
        let of = |run| {
            let run: &RunFacts = run;
            Some((run.name.as_str(), run.evaluations.iter().find(|one| one.name == evaluation)?))
        };
        let students: Vec<(&str, &Evaluation)> = runs.iter().filter_map(of).collect();
        for (first, second) in pairs(students.len()) {
            let ((first, one), (second, other)) = (students[first], students[second]);
            if let Some(test) = paired(one, other) {
                table.push(row([first, second, evaluation], &test));
            }
        }
    }
    if table.is_empty() {
        return Figure::absent(name, title, "No two of these runs answered the same questions.");
    }
    let caption = "First minus second on the questions that both answered, with Newcombe's 95 % interval of a paired difference \
                   (method 10); p: McNemar's exact test, two-sided, not corrected for the number of rows. Source: each run's \
                   eval-*.completions.jsonl."
        .to_owned();
    Figure::of_table(name, title, caption, table)
}

fn pairs(count: usize) -> Vec<(usize, usize)> {
    let firsts = if count <= EVERY_PAIR { count } else { 1 };
    (0..firsts).flat_map(|first| (first + 1..count).map(move |second| (first, second))).collect()
}

fn paired(first: &Evaluation, second: &Evaluation) -> Option<Paired> {
    let right = |evaluation: &Evaluation| -> std::collections::HashMap<String, bool> {
        evaluation.graded.iter().map(|row| (row.id.clone(), row.correct)).collect()
    };
    let second = right(second);
    let mut counts = [0; 4];
    for row in &first.graded {
        if let Some(&other) = second.get(&row.id) {
            counts[usize::from(!row.correct) * 2 + usize::from(!other)] += 1;
        }
    }
    // Order of the counts: both, only the first, only the second, neither.
    (counts != [0; 4]).then(|| Paired::of_counts(counts))
}

fn row([first, second, evaluation]: [&str; 3], test: &Paired) -> Vec<Cell> {
    let n = test.both + test.first_only + test.second_only + test.neither;
    vec![
        first.into(),
        second.into(),
        evaluation.into(),
        Cell::Count(n as u64),
        Cell::Count(test.both as u64),
        Cell::Count(test.first_only as u64),
        Cell::Count(test.second_only as u64),
        Cell::Rate(100.0 * test.difference, Some((100.0 * test.low, 100.0 * test.high))),
        Cell::Probability(test.p_value),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_students_are_compared_all_with_all_and_many_with_the_first() {
        assert_eq!(pairs(3), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!(pairs(7).len(), 6);
        assert!(pairs(1).is_empty());
    }
}
