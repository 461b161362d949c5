//! How long teacher and student write.

use crate::report::chart::{Axis, Panel, Point, Role, Series, Shape};
use crate::report::facts::RunFacts;
use crate::report::figure::Figure;

const BINS: usize = 24;

/// Histograms of lengths, one panel a run.
pub(super) fn figure(runs: &[RunFacts]) -> Figure {
    let (name, title) = ("lengths", "Lengths");
    let panels: Vec<Panel> = runs.iter().filter_map(panel).collect();
    if panels.is_empty() {
        return Figure::absent(name, title, "No run has rationales or completions.");
    }
    let caption = "Share of completions by length, in equal bins, the last of which holds everything longer. Tokens are the student's own; the teacher's completions are \
                   laid out as the student is taught them (rationale, answer marker, gold answer), the student's are those of \
                   all its evaluations. Where a run has no tokenizer, words of the reasoning. Sources: rationales.db, \
                   eval-*.completions.jsonl."
        .to_owned();
    Figure::of_panels(name, title, caption, &panels)
}

fn panel(run: &RunFacts) -> Option<Panel> {
    let reasons = run.contract.as_ref().is_none_or(|contract| contract.answer_marker.is_some());
    let teacher: Vec<usize> =
        if reasons { run.lessons.taken.iter().map(|lesson| lesson.length).collect() } else { Vec::new() };
    let graded = run.evaluations.iter().flat_map(|evaluation| &evaluation.graded);
    let student: Vec<usize> = graded.filter(|_| run.has_tokenizer).map(|graded| graded.tokens).collect();
    let longest = nearly_longest(teacher.iter().chain(&student).copied().collect())?;
    let width = (longest + 1).div_ceil(BINS).max(1);
    let series = [("teacher", Role::Teacher, &teacher), ("student", Role::Student, &student)];
    let series = series.into_iter().filter(|(_, _, lengths)| !lengths.is_empty());
    let series = series.map(|(label, role, lengths)| histogram(label, role, lengths, width, longest)).collect();
    let part = if run.lessons.stride > 1 { format!(" (every {}th)", run.lessons.stride) } else { String::new() };
    Some(Panel {
        title: run.name.clone(),
        note: format!("teacher n = {}{part}, student n = {}", teacher.len(), student.len()),
        x: Axis { range: Some((0.0, (longest / width * width + width) as f64)), ..Axis::linear(run.unit(), "length") },
        y: Axis::linear("% of completions", "share_percent"),
        series,
    })
}

/// The length that one in two hundred exceeds; a single ramble would squeeze all others into one bin.
fn nearly_longest(mut lengths: Vec<usize>) -> Option<usize> {
    lengths.sort_unstable();
    lengths.get((lengths.len().checked_sub(1)? * 199).div_ceil(200)).copied()
}

/// The share of each bin, at its lower end.
fn histogram(label: &str, role: Role, lengths: &[usize], width: usize, longest: usize) -> Series {
    let mut counts = vec![0_usize; longest / width + 1];
    for length in lengths {
        counts[(length / width).min(longest / width)] += 1;
    }
    let share = |count: usize| 100.0 * count as f64 / lengths.len() as f64;
    let mut points: Vec<Point> =
        counts.iter().enumerate().map(|(bin, &count)| Point::new((bin * width) as f64, share(count))).collect();
    points.push(Point::new((counts.len() * width) as f64, 0.0));
    Series { label: label.to_owned(), role, shape: Shape::Steps, points }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_histogram_add_up_and_nothing_falls_out() {
        let series = histogram("x", Role::Student, &[0, 4, 5, 9, 300], 5, 9);
        let shares: Vec<(f64, f64)> = series.points.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(shares, [(0.0, 40.0), (5.0, 60.0), (10.0, 0.0)]);
    }
}
