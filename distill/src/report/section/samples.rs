//! Sample rationales, right and wrong, of teacher and student.

use maud::{Markup, html};

use crate::keyed::permutation;
use crate::report::facts::{Evaluation, Graded, Lesson, RunFacts};

/// Samples of each kind.
const EACH: usize = 2;
/// Key of the choice.
const SEED: u64 = 1;

/// One rationale as it is shown.
struct Sample {
    id: String,
    question: Option<String>,
    text: String,
    /// What was answered, and what is right.
    answer: Option<String>,
    gold: String,
    right: Option<bool>,
    reason: Option<String>,
}

/// The section, one part a run; the first with both writers is open.
pub(in crate::report) fn samples(runs: &[RunFacts]) -> Markup {
    let has =
        |run: &&RunFacts| !run.lessons.taken.is_empty() || run.evaluations.iter().any(|one| !one.graded.is_empty());
    let runs: Vec<&RunFacts> = runs.iter().filter(has).collect();
    html! {
        section #samples {
            h2 { "Sample rationales" }
            @if runs.is_empty() { p.absent { "No run has rationales or completions." } }
            @else { p.note {
                "At most " (EACH) " right and " (EACH) " wrong ones of each writer, drawn with a fixed key, not chosen by hand. \
                 Texts are shown as they were written."
            } }
            @let opened = runs.iter().position(|run| has_both(run)).unwrap_or(0);
            @for (index, run) in runs.iter().enumerate() { details open[index == opened] {
                summary { (run.name) }
                @let taught = of_teacher(run);
                @if !taught.is_empty() { h3 { "Teacher" } (shown(&taught)) }
                @for evaluation in &run.evaluations {
                    @let answered = of_student(evaluation);
                    @if !answered.is_empty() { h3 { "Student on " (evaluation.name) } (shown(&answered)) }
                }
            } }
        }
    }
}

/// Whether rationales of teacher and student can be read one after the other.
fn has_both(run: &RunFacts) -> bool {
    let reasons = run.contract.as_ref().is_some_and(|contract| contract.answer_marker.is_some());
    reasons && !run.lessons.taken.is_empty() && run.evaluations.iter().any(|one| !one.graded.is_empty())
}

fn of_teacher(run: &RunFacts) -> Vec<Sample> {
    let sample = |lesson: &Lesson| Sample {
        id: lesson.row.id(),
        question: Some(lesson.row.example.question.clone()),
        text: lesson.row.completion.rationale.clone(),
        answer: lesson.row.completion.prediction.clone().or(lesson.prediction.clone()),
        gold: lesson.row.example.gold.clone(),
        right: lesson.correct,
        reason: lesson.reason.clone(),
    };
    drawn(&run.lessons.taken, |lesson| lesson.correct).into_iter().map(sample).collect()
}

fn of_student(evaluation: &Evaluation) -> Vec<Sample> {
    let sample = |graded: &Graded| Sample {
        id: graded.id.clone(),
        question: evaluation.questions.get(&graded.id).cloned(),
        text: graded.rationale.iter().chain([&graded.completion]).map(String::as_str).collect::<Vec<_>>().join("\n→ "),
        answer: Some(graded.answer()),
        gold: graded.gold.clone(),
        right: Some(graded.correct),
        reason: (!graded.complete).then(|| "not finished".to_owned()),
    };
    drawn(&evaluation.graded, |graded| Some(graded.correct)).into_iter().map(sample).collect()
}

/// Some right ones, then some wrong ones; of those whose answer nobody graded as many.
fn drawn<T>(all: &[T], right: impl Fn(&T) -> Option<bool>) -> Vec<&T> {
    let order = permutation(&[SEED, all.len() as u64], all.len());
    let of = |wanted: Option<bool>| {
        order.iter().map(|&index| &all[index]).filter(|one| right(one) == wanted).take(EACH).collect()
    };
    let kinds: [Vec<&T>; 3] = [Some(true), Some(false), None].map(of);
    kinds.concat()
}

fn shown(samples: &[Sample]) -> Markup {
    html! { div.samples { @for sample in samples {
        @let (class, verdict) = match sample.right {
            Some(true) => ("right", "✓ right"),
            Some(false) => ("wrong", "✗ wrong"),
            None => ("ungraded", "not graded"),
        };
        article.sample.(class) {
            header {
                span.verdict { (verdict) }
                @if let Some(reason) = &sample.reason { span.reason { (reason.replace('_', " ")) } }
                code { (sample.id) }
            }
            @if let Some(question) = &sample.question { p.question { (question.trim()) } }
            pre.rationale { (sample.text.trim()) }
            p.answers {
                @if let Some(answer) = &sample.answer { "answer " b { (answer.trim()) } " · " }
                "right answer " b { (sample.gold) }
            }
        }
    } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_fixed_and_right_ones_come_first() {
        let all: Vec<(usize, bool)> = (0..50).map(|index| (index, index % 3 == 0)).collect();
        let choice = || drawn(&all, |one| Some(one.1)).into_iter().copied().collect::<Vec<_>>();
        assert_eq!(choice(), choice());
        assert_eq!(choice().iter().map(|one| one.1).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!(drawn(&all[..1], |one| Some(one.1)).len(), 1);
    }
}
