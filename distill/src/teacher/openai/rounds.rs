//! Which completions of an example are asked for next.
//!
//! Decided in rounds, from what the store holds by index and from nothing else: neither the order in which replies arrive
//! nor where a run was interrupted changes what is asked.

use std::collections::HashSet;

use crate::teacher::{Adaptive, Degree};

/// An example is given up when enough correct rationales are less probable than this.
const HOPELESS: f64 = 0.05;

/// What is known about one completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It has to be asked for.
    Open,
    /// It is there, or will never be, and is of no use: wrong, rejected, failed.
    Useless,
    /// It is correct.
    Correct {
        /// Its rationale.
        rationale: String,
    },
}

/// The completions to ask for now, by index; none where the example is finished.
pub(super) fn next<E>(degree: Degree, known: impl FnMut(u32) -> Result<Known, E>) -> Result<Vec<u32>, E> {
    match degree {
        Degree::Fixed(degree) => open(0..degree.get(), known),
        Degree::Adaptive(adaptive) => adaptively(adaptive, known),
    }
}

fn open<E>(indices: std::ops::Range<u32>, mut known: impl FnMut(u32) -> Result<Known, E>) -> Result<Vec<u32>, E> {
    let mut open = Vec::new();
    for index in indices {
        if known(index)? == Known::Open {
            open.push(index);
        }
    }
    Ok(open)
}

/// The first round asks for as many completions as are enough if all are correct; every further one for as many as are
/// still missing.
fn adaptively<E>(adaptive: Adaptive, mut known: impl FnMut(u32) -> Result<Known, E>) -> Result<Vec<u32>, E> {
    let (enough, most) = (adaptive.enough.get(), adaptive.most.get());
    let mut distinct = HashSet::new();
    let mut asked = 0;
    loop {
        let found = distinct.len() as u32;
        if found >= enough || asked >= most || chance(found, asked, enough - found, most - asked) < HOPELESS {
            return Ok(Vec::new());
        }
        let end = asked + (enough - found).min(most - asked);
        let mut open = Vec::new();
        for index in asked..end {
            match known(index)? {
                Known::Open => open.push(index),
                Known::Useless => {}
                Known::Correct { rationale } => {
                    distinct.insert(normalised(&rationale));
                }
            }
        }
        if !open.is_empty() {
            return Ok(open);
        }
        asked = end;
    }
}

/// Two rationales that differ in white space alone are the same.
fn normalised(rationale: &str) -> String {
    rationale.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The probability that `budget` more completions bring at least `missing` new correct rationales after `found` of `asked`
/// were such: beta-binomial with a uniform prior,
/// `Σ_{x ≥ missing} C(budget, x) B(x + 1 + found, budget − x + 1 + asked − found) / B(1 + found, 1 + asked − found)`.
fn chance(found: u32, asked: u32, missing: u32, budget: u32) -> f64 {
    if missing > budget {
        return 0.0;
    }
    let (alpha, beta) = (f64::from(1 + found), f64::from(1 + asked - found));
    // The first term, x = 0, is a product of ratios; each further one follows from the one before.
    let mut term: f64 =
        (0..budget).map(|trial| (beta + f64::from(trial)) / (alpha + beta + f64::from(trial))).product();
    let mut below = 0.0;
    for x in 0..missing {
        below += term;
        let (x, budget) = (f64::from(x), f64::from(budget));
        term *= (budget - x) / (x + 1.0) * (alpha + x) / (beta + budget - x - 1.0);
    }
    1.0 - below
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adaptive(enough: u32, most: u32) -> Degree {
        Degree::Adaptive(Adaptive { enough: enough.try_into().unwrap(), most: most.try_into().unwrap() })
    }

    /// Asks until nothing more is asked for; the rounds.
    fn rounds(degree: Degree, is_correct: impl Fn(u32) -> bool) -> Vec<Vec<u32>> {
        let mut done = HashSet::new();
        let mut rounds = Vec::new();
        loop {
            let asked = next(degree, |index| {
                Ok::<_, ()>(match (done.contains(&index), is_correct(index)) {
                    (false, _) => Known::Open,
                    (true, true) => Known::Correct { rationale: format!("{index}") },
                    (true, false) => Known::Useless,
                })
            })
            .unwrap();
            if asked.is_empty() {
                return rounds;
            }
            done.extend(asked.iter().copied());
            rounds.push(asked);
        }
    }

    #[test]
    fn a_fixed_degree_asks_for_what_is_missing() {
        let degree = Degree::Fixed(4.try_into().unwrap());
        let known = |index| Ok::<_, ()>(if index == 1 { Known::Useless } else { Known::Open });
        assert_eq!(next(degree, known).unwrap(), [0, 2, 3]);
    }

    #[test]
    fn sampling_stops_with_enough_correct_rationales() {
        assert_eq!(rounds(adaptive(3, 10), |_| true), [vec![0, 1, 2]]);
        assert_eq!(rounds(adaptive(3, 10), |index| index != 1), [vec![0, 1, 2], vec![3]]);
    }

    #[test]
    fn a_question_that_does_not_pay_is_given_up() {
        let asked: usize = rounds(adaptive(4, 64), |_| false).iter().map(Vec::len).sum();
        assert!((8..64).contains(&asked), "{asked}");
        let asked: usize = rounds(adaptive(1, 8), |_| false).iter().map(Vec::len).sum();
        assert_eq!(asked, 8, "one correct rationale of few tries stays possible");
    }

    #[test]
    fn the_same_rationale_twice_counts_once() {
        let known = |index| {
            let rationale = if index % 2 == 0 { "so  yes" } else { " so\nyes" }.to_owned();
            Ok::<_, ()>(if index < 2 { Known::Correct { rationale } } else { Known::Open })
        };
        assert_eq!(next(adaptive(2, 5), known).unwrap(), [2]);
    }

    #[test]
    fn an_interrupted_round_is_asked_to_its_end() {
        let known = |index: u32| {
            let rationale = index.to_string();
            Ok::<_, ()>(if index == 2 { Known::Correct { rationale } } else { Known::Open })
        };
        assert_eq!(next(adaptive(3, 9), known).unwrap(), [0, 1], "index 3 is no business of this round");
    }

    #[test]
    fn the_chance_is_that_of_the_beta_binomial() {
        // Without any trial, every number of successes among n is equally probable.
        for missing in 0..=5 {
            let expected = f64::from(5 - missing + 1) / 6.0;
            assert!((chance(0, 0, missing, 5) - expected).abs() < 1e-12, "{missing}");
        }
        // One trial after 3 of 4: the rule of succession.
        assert!((chance(3, 4, 1, 1) - 4.0 / 6.0).abs() < 1e-12);
        assert!(chance(0, 9, 3, 2).abs() < 1e-12);
        assert!((chance(0, 10, 1, 1000) - (1.0 - 11.0 / 1011.0)).abs() < 1e-9);
    }
}
