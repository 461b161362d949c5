//! Paired tests between students that answered the same questions.

use super::evaluations;
use crate::eval::Paired;
use crate::report::facts::{Evaluation, RunFacts};
use crate::report::figure::Figure;
use crate::report::table::{Cell, Column, Table};

/// Up to this many students every pair is tested; of more, each is tested against the first.
const EVERY_PAIR: usize = 8;

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
        Column::rate("Difference, points [95\u{a0}%]", ["difference_points", "low_points", "high_points"]),
        Column::number("p", "p"),
    ]);
    for evaluation in evaluations(runs) {
        for students in comparable(runs, evaluation) {
            for (first, second) in pairs(students.len()) {
                let ((first, one), (second, other)) = (students[first], students[second]);
                if let Some(test) = Paired::of_answers(answers(one), answers(other)) {
                    table.push(row([first, second, evaluation], &test));
                }
            }
        }
    }
    if table.is_empty() {
        return Figure::absent(name, title, "No two of these runs answered the same questions.");
    }
    let caption = "First minus second on the questions that both answered, with Newcombe's 95 % interval of a paired difference \
                   (method 10); p: McNemar's exact test, two-sided, not corrected for the number of rows. Variants of a sweep are compared among themselves; of more than eight \
                   students each is compared with the first. Source: each run's \
                   eval-*.completions.jsonl."
        .to_owned();
    Figure::of_table(name, title, caption, table)
}

fn pairs(count: usize) -> Vec<(usize, usize)> {
    let firsts = if count <= EVERY_PAIR { count } else { 1 };
    (0..firsts).flat_map(|first| (first + 1..count).map(move |second| (first, second))).collect()
}

/// A student's name, and how it did.
type Student<'a> = (&'a str, &'a Evaluation);

/// The students that answered the questions of an evaluation, those of each sweep and comparison by themselves.
fn comparable<'a>(runs: &'a [RunFacts], evaluation: &str) -> Vec<Vec<Student<'a>>> {
    let mut all: Vec<(&Option<String>, Vec<Student<'a>>)> = Vec::new();
    for run in runs {
        let has = |one: &&Evaluation| one.name == evaluation && !one.graded.is_empty();
        let Some(found) = run.evaluations.iter().find(has) else { continue };
        let student = (run.name.as_str(), found);
        match all.iter_mut().find(|(group, _)| **group == run.group) {
            Some((_, students)) => students.push(student),
            None => all.push((&run.group, vec![student])),
        }
    }
    all.into_iter().map(|(_, students)| students).collect()
}

fn answers(evaluation: &Evaluation) -> impl Iterator<Item = (&str, bool)> {
    evaluation.graded.iter().map(|row| (row.id.as_str(), row.correct))
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
        assert_eq!(pairs(9).len(), 8);
        assert!(pairs(1).is_empty());
    }
}
