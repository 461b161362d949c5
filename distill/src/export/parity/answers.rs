//! Answers to held-out questions: which are right, and which turn when the student takes another form.

use pupil_models::bundle::AnswerFlips;
use pupil_runtime::backend::Backend;
use pupil_runtime::{Engine, Request};

use crate::dataset::Example;
use crate::eval::{Grading, Paired};
use crate::export::ExportError;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Which of `examples` an engine answers right, asked as its contract says; as many as were asked before `enough` is true of
/// those so far.
///
/// # Errors
/// A question cannot be answered; somebody asked to stop.
pub fn right_answers<B: Backend>(
    engine: &mut Engine<B>,
    examples: &[Example],
    interrupt: &Interrupt,
    mut enough: impl FnMut(&[bool]) -> bool,
) -> Result<Vec<bool>, ExportError> {
    let grading = Grading::of(engine.contract());
    let mut right = Vec::with_capacity(examples.len());
    let bar = Progress::new("answers", "questions", examples.len() as u64, 0);
    for example in examples {
        if interrupt.is_requested() {
            return Err(ExportError::Interrupted);
        }
        let solution = engine
            .solve(&example.question, &Request::default())
            .map_err(|source| ExportError::Generate { question: example.question.clone(), source })?;
        right.push(grading.grade(example, String::new(), solution).correct);
        bar.advance();
        if enough(&right) {
            break;
        }
    }
    bar.finish();
    Ok(right)
}

/// What became of answers: `before` says which the float32 graph answers right, `after` which another form does, question by
/// question. Where the form was not asked all of them, those that it was asked are compared.
#[must_use]
pub fn flips(before: &[bool], after: &[bool]) -> AnswerFlips {
    let counts = counts(before, after);
    let paired = Paired::of_counts(counts);
    let [both, to_wrong, to_correct, _] = counts;
    let points = |fraction: f64| 100.0 * fraction;
    AnswerFlips {
        questions: counts.iter().sum(),
        float32_correct: both + to_wrong,
        correct_to_wrong: to_wrong,
        wrong_to_correct: to_correct,
        // The form minus float32, which is the first of the pair.
        difference_points: points(-paired.difference),
        low_points: points(-paired.high),
        high_points: points(-paired.low),
    }
}

/// Questions that both answer right, only the first, only the second, neither.
pub(super) fn counts(before: &[bool], after: &[bool]) -> [usize; 4] {
    let mut counts = [0; 4];
    for pair in before.iter().zip(after) {
        counts[match pair {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flips_are_counted_and_their_interval_is_the_forms_minus_float32() {
        let before = [vec![true; 32], vec![false; 18]].concat();
        // 12 of the right ones become wrong, 2 of the wrong ones right.
        let after = [vec![true; 20], vec![false; 12], vec![true; 2], vec![false; 16]].concat();
        let flips = flips(&before, &after);
        assert_eq!((flips.questions, flips.float32_correct), (50, 32));
        assert_eq!((flips.correct_to_wrong, flips.wrong_to_correct), (12, 2));
        // Newcombe's interval of these counts, as the tests of `Paired` have it, is (0.0562, 0.3292) for float32 minus form.
        assert!((flips.difference_points + 20.0).abs() < 1e-9, "{flips:?}");
        assert!((flips.low_points + 32.920_699_540_001).abs() < 1e-6, "{flips:?}");
        assert!((flips.high_points + 5.615_642_484_174).abs() < 1e-6, "{flips:?}");
    }

    #[test]
    fn a_form_that_was_asked_in_part_is_compared_in_part() {
        let flips = flips(&[true, true, false, true], &[true, false]);
        assert_eq!((flips.questions, flips.float32_correct, flips.correct_to_wrong), (2, 2, 1));
    }
}
