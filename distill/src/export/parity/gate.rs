//! How much accuracy an export may cost, and when that is shown.

use std::fmt;
use std::str::FromStr;

use pupil_models::bundle::AnswerFlips;
use serde::{Deserialize, Serialize};

use super::answers::{counts, flips};
use crate::eval::Paired;

/// Accuracy that a form may lose against float32, in percentage points: `1pp`, `0.5pp`.
///
/// A form is inside if the *lower end of the paired 95 % interval* of its accuracy minus that of float32 is not below the
/// tolerance: a test of non-inferiority at one-sided 2.5 %, as trials of equivalent treatments do it. The estimate alone would
/// not do. On 300 questions it is 0 for a form that in truth loses a whole point once in twenty times, and a search that takes
/// the smallest of many forms would find the luckiest. The price is that few questions show little: with no answer turned at
/// all, 1 point needs some 200 to 450 of them, and [`Self::least_questions`] says so before hours are spent.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tolerance {
    points: f64,
}

/// A text that is no tolerance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tolerance: expected percentage points above 0, at most 100, such as `1pp` or `0.5pp`, found `{found}`")]
pub struct ToleranceError {
    found: String,
}

impl Tolerance {
    /// One percentage point.
    pub const ONE_POINT: Self = Self { points: 1.0 };

    /// Percentage points.
    #[must_use]
    pub fn points(self) -> f64 {
        self.points
    }

    /// Whether a form with these flips is inside.
    #[must_use]
    pub fn holds(self, flips: &AnswerFlips) -> bool {
        flips.low_points >= -self.points
    }

    /// Questions that a form must be asked at least for its being inside to be shown, if not one answer turns; `right` of
    /// `asked` is what float32 answers right. `None` if more than a million would be needed.
    #[must_use]
    pub fn least_questions(self, right: usize, asked: usize) -> Option<usize> {
        let share = right as f64 / asked.max(1) as f64;
        let suffices = |questions: usize| {
            let right = (share * questions as f64).round() as usize;
            -100.0 * Paired::of_counts([right, 0, 0, questions - right]).high >= -self.points
        };
        let enough = (0..=20).map(|doublings| 1 << doublings).find(|&questions| suffices(questions))?;
        // Rounding makes the bound uneven, so the least number is looked for from below the smallest power of two.
        (enough / 2..=enough).find(|&questions| suffices(questions))
    }

    /// Whether a form cannot be inside any more, whatever it answers to the questions that are left: `before` is what
    /// float32 answers right, `after` what the form answered right so far.
    #[must_use]
    pub fn is_lost(self, before: &[bool], after: &[bool]) -> bool {
        let [mut both, to_wrong, mut to_correct, neither] = counts(before, after);
        // At best it answers all the others right.
        for &right in &before[after.len()..] {
            if right { both += 1 } else { to_correct += 1 }
        }
        -100.0 * Paired::of_counts([both, to_wrong, to_correct, neither]).high < -self.points
    }

    /// The flips of a form and whether it is inside.
    #[must_use]
    pub fn judge(self, before: &[bool], after: &[bool]) -> (AnswerFlips, bool) {
        let flips = flips(before, after);
        // A form that was stopped early was stopped because it is lost.
        (flips, after.len() == before.len() && self.holds(&flips))
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}pp", self.points)
    }
}

impl FromStr for Tolerance {
    type Err = ToleranceError;

    fn from_str(text: &str) -> Result<Self, ToleranceError> {
        let points = text.trim().strip_suffix("pp").and_then(|number| number.trim_end().parse().ok());
        let points = points.filter(|&points: &f64| points > 0.0 && points <= 100.0);
        points.map(|points| Self { points }).ok_or_else(|| ToleranceError { found: text.to_owned() })
    }
}

impl TryFrom<String> for Tolerance {
    type Error = ToleranceError;

    fn try_from(text: String) -> Result<Self, ToleranceError> {
        text.parse()
    }
}

impl From<Tolerance> for String {
    fn from(tolerance: Tolerance) -> Self {
        tolerance.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_are_percentage_points() {
        for (text, points) in [("1pp", 1.0), ("0.5pp", 0.5), (" 2 pp ", 2.0), ("100pp", 100.0)] {
            let tolerance: Tolerance = text.parse().unwrap();
            assert!((tolerance.points() - points).abs() < 1e-12, "{text}");
        }
        assert_eq!("0.50pp".parse::<Tolerance>().unwrap().to_string(), "0.5pp");
        for text in ["1", "1%", "0pp", "-1pp", "nanpp", "101pp", "pp", ""] {
            let error = text.parse::<Tolerance>().unwrap_err();
            assert!(error.to_string().ends_with(&format!("found `{text}`")), "{error}");
        }
    }

    /// Of `total` questions all but 10 % right before; `wrong` of the right ones turned.
    fn answers(total: usize, wrong: usize) -> (Vec<bool>, Vec<bool>) {
        let before: Vec<bool> = (0..total).map(|index| index % 10 != 0).collect();
        let mut left = wrong;
        let turn = |&right: &bool| {
            let turned = right && left > 0;
            left -= usize::from(turned);
            right && !turned
        };
        let after = before.iter().map(turn).collect();
        (before, after)
    }

    #[test]
    fn the_bound_decides_not_the_estimate() {
        let inside = |total, wrong| {
            let (before, after) = answers(total, wrong);
            Tolerance::ONE_POINT.judge(&before, &after).1
        };
        assert!(inside(1000, 0) && inside(1000, 2) && inside(5000, 25));
        // 0.5 points lost of 1,000 and 300 questions: both might have lost more than one.
        assert!(!inside(1000, 5) && !inside(300, 1));
        assert!(!inside(100, 0), "a hundred questions do not show it");
    }

    #[test]
    fn the_least_number_of_questions_suffices_and_one_fewer_does_not() {
        let tolerance = Tolerance::ONE_POINT;
        for (right, asked) in [(9, 10), (10, 10), (1, 2)] {
            let least = tolerance.least_questions(right, asked).unwrap();
            let shown = |questions: usize| {
                let right = questions * right / asked;
                let before: Vec<bool> = (0..questions).map(|index| index < right).collect();
                tolerance.judge(&before, &before).1
            };
            assert!(shown(least.next_multiple_of(10)), "{right} of {asked}: {least}");
            assert!(!shown(least / 10 * 10 - 10), "{right} of {asked}: {least}");
        }
    }

    #[test]
    fn a_form_is_lost_when_even_the_best_end_is_outside() {
        let (before, _) = answers(1000, 0);
        let tolerance = Tolerance::ONE_POINT;
        let all_wrong = |asked: usize| tolerance.is_lost(&before, &vec![false; asked]);
        assert!(!tolerance.is_lost(&before, &[]));
        // 100 questions were wrong before, of which those that are left may become right.
        assert!(!all_wrong(50) && all_wrong(200));
        let lost = (0..1000).find(|&asked| all_wrong(asked)).unwrap();
        assert!((lost..1000).all(all_wrong), "once lost, always lost");
        let (_, inside) = tolerance.judge(&before, &vec![true; 999]);
        assert!(!inside, "not asked to the end");
    }
}
