//! Counting votes, and when to stop.

use pupil_models::answer::Answer;
use serde::Serialize;

use super::{Ballot, Vote};
use crate::event::Solution;
use crate::rows::Flow;

/// What a rationale's vote weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weighting {
    /// The same as any other.
    #[default]
    Majority,
    /// [`Solution::confidence`]: how probable the answer was after the rationale.
    Confidence,
}

/// An answer and the rationales that came to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The answer.
    pub answer: Answer,
    /// Rationales that came to it.
    pub votes: usize,
    /// Sum of their weights.
    pub weight: f64,
    /// Sum of their confidences.
    #[serde(skip)]
    confidence: f64,
    /// Which of [`Vote::solutions`] is surest of it.
    #[serde(skip)]
    pub(super) best: usize,
}

/// Votes so far.
#[derive(Debug)]
pub(super) struct Tally {
    weighting: Weighting,
    certainty: Option<f64>,
    asked: usize,
    candidates: Vec<Candidate>,
    solutions: Vec<Solution>,
}

impl Tally {
    pub(super) fn new(ballot: &Ballot) -> Self {
        Self {
            weighting: ballot.weighting,
            certainty: ballot.certainty,
            asked: ballot.rationales.get(),
            candidates: Vec::new(),
            solutions: Vec::new(),
        }
    }

    /// Counts a finished rationale; whether more are wanted.
    pub(super) fn count(&mut self, solution: Solution) -> Flow {
        if let Some(answer) = &solution.answer {
            let confidence = f64::from(solution.confidence.unwrap_or(0.0));
            self.count_answer(answer, confidence);
        }
        self.solutions.push(solution);
        if self.is_decided() { Flow::Stop } else { Flow::On }
    }

    fn count_answer(&mut self, answer: &Answer, confidence: f64) {
        let weight = match self.weighting {
            Weighting::Majority => 1.0,
            Weighting::Confidence => confidence,
        };
        let place = self.candidates.iter_mut().find(|candidate| candidate.answer.is_same(answer));
        let Some(candidate) = place else {
            let (answer, best) = (answer.clone(), self.solutions.len());
            self.candidates.push(Candidate { answer, votes: 1, weight, confidence, best });
            return;
        };
        let surest = self.solutions[candidate.best].confidence.map_or(0.0, f64::from);
        if confidence > surest {
            candidate.best = self.solutions.len();
        }
        candidate.votes += 1;
        candidate.weight += weight;
        candidate.confidence += confidence;
    }

    /// Whether the rationales that are missing cannot change the result, or it is certain enough.
    fn is_decided(&self) -> bool {
        let (mut first, mut second) = (None::<&Candidate>, None::<&Candidate>);
        for candidate in &self.candidates {
            if first.is_none_or(|first| candidate.weight > first.weight) {
                second = first.replace(candidate);
            } else if second.is_none_or(|second| candidate.weight > second.weight) {
                second = Some(candidate);
            }
        }
        let Some(first) = first else { return false };
        let missing = (self.asked - self.solutions.len()) as f64;
        // No vote weighs more than 1.
        let beyond_reach = first.weight - second.map_or(0.0, |second| second.weight) > missing;
        let certain = self.certainty.is_some_and(|certainty| {
            leads_with_probability(first.votes, second.map_or(0, |second| second.votes)) >= certainty
        });
        beyond_reach || certain
    }

    pub(super) fn into_vote(mut self, rows: usize, cache_bytes: usize) -> Vote {
        let rank = |candidate: &Candidate| (candidate.weight, candidate.confidence);
        // Stable: of equals, the one that came first stays first.
        self.candidates.sort_by(|left, right| {
            let ((left, left_confidence), (right, right_confidence)) = (rank(left), rank(right));
            right.total_cmp(&left).then(right_confidence.total_cmp(&left_confidence))
        });
        let winner = self.candidates.first();
        Vote {
            answer: winner.map(|winner| winner.answer.clone()),
            agreement: winner.map_or(0.0, |winner| winner.votes as f64 / self.solutions.len() as f64),
            candidates: self.candidates,
            solutions: self.solutions,
            asked: self.asked,
            rows,
            cache_bytes,
        }
    }
}

/// Probability that the answer with `first` votes is more probable than the one with `second`.
///
/// With a uniform prior that is `P(p > 1/2)` for `p ~ Beta(first + 1, second + 1)` (Aggarwal et al. 2023, "Let's Sample Step
/// by Step", the Beta criterion); for whole numbers a sum of binomial probabilities, `Σ_{j ≤ first} C(n, j) / 2^n` with
/// `n = first + second + 1`.
fn leads_with_probability(first: usize, second: usize) -> f64 {
    let n = (first + second + 1) as f64;
    let mut log_term = -n * std::f64::consts::LN_2;
    let mut sum = log_term.exp();
    for j in 0..first {
        log_term += ((n - j as f64) / (j + 1) as f64).ln();
        sum += log_term.exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::event::{Outcome, Usage};
    use crate::timing::Timings;

    fn solution(answer: Option<&str>, confidence: f32) -> Solution {
        Solution {
            steps: vec![],
            answer: answer.map(|answer| serde_json::from_value(answer.into()).unwrap()),
            confidence: answer.map(|_| confidence),
            outcome: if answer.is_some() { Outcome::Answered } else { Outcome::Abstained },
            usage: Usage::default(),
            timings: Timings::default(),
            completion: String::new(),
        }
    }

    fn ballot(rationales: usize) -> Ballot {
        Ballot::new(NonZeroUsize::new(rationales).unwrap())
    }

    /// Counts until the tally is decided.
    fn vote(ballot: &Ballot, votes: &[(Option<&str>, f32)]) -> Vote {
        let mut tally = Tally::new(ballot);
        for &(answer, confidence) in votes {
            if tally.count(solution(answer, confidence)) == Flow::Stop {
                break;
            }
        }
        tally.into_vote(1, 0)
    }

    fn answer(vote: &Vote) -> Option<&str> {
        vote.answer.as_ref().map(Answer::text)
    }

    #[test]
    fn the_majority_wins_and_stops_once_it_is_beyond_reach() {
        let votes = [(Some("yes"), 0.1), (Some("no"), 0.9), (None, 0.0), (Some("yes"), 0.1), (Some("yes"), 0.1)];
        let vote = vote(&ballot(5), &votes);
        assert_eq!((answer(&vote), vote.solutions.len()), (Some("yes"), 5));
        assert_eq!(vote.candidates.iter().map(|candidate| candidate.votes).collect::<Vec<_>>(), [3, 1]);
        assert!((vote.agreement - 0.6).abs() < 1e-12, "a rationale without an answer agrees with nobody");
        let unanimous = super::tests::vote(&ballot(5), &[(Some("yes"), 0.1); 5]);
        assert_eq!(unanimous.solutions.len(), 3);
    }

    #[test]
    fn a_vote_that_could_still_be_tied_goes_on() {
        // After two of four, the other two could still come to another answer and tie.
        assert_eq!(
            vote(&ballot(4), &[(Some("a"), 0.5), (Some("a"), 0.5), (Some("b"), 0.9), (Some("b"), 0.9)]).solutions.len(),
            4
        );
    }

    #[test]
    fn ties_go_to_more_confidence_then_to_the_first() {
        assert_eq!(answer(&vote(&ballot(2), &[(Some("a"), 0.2), (Some("b"), 0.9)])), Some("b"));
        assert_eq!(answer(&vote(&ballot(2), &[(Some("a"), 0.5), (Some("b"), 0.5)])), Some("a"));
    }

    #[test]
    fn confidence_outweighs_numbers_where_it_is_asked_for() {
        let votes = [(Some("a"), 0.2), (Some("a"), 0.2), (Some("b"), 0.9)];
        assert_eq!(answer(&vote(&ballot(3), &votes)), Some("a"));
        let weighted = Ballot { weighting: Weighting::Confidence, ..ballot(3) };
        assert_eq!(answer(&vote(&weighted, &votes)), Some("b"));
    }

    #[test]
    fn the_surest_rationale_of_the_answer_is_shown() {
        let vote = vote(&ballot(4), &[(Some("a"), 0.2), (Some("a"), 0.8), (Some("a"), 0.5), (Some("b"), 0.99)]);
        assert_eq!(vote.best().unwrap().confidence, Some(0.8));
    }

    #[test]
    fn numbers_that_differ_by_rounding_are_one_answer() {
        let mut tally = Tally::new(&ballot(2));
        for value in [0.3, 0.1 + 0.2] {
            let mut solution = solution(Some(""), 0.5);
            solution.answer = Some(serde_json::from_value(value.into()).unwrap());
            tally.count(solution);
        }
        assert_eq!(tally.candidates[0].votes, 2);
    }

    #[test]
    fn nobody_answers() {
        let vote = vote(&ballot(2), &[(None, 0.0), (None, 0.0)]);
        assert_eq!((answer(&vote), vote.agreement, vote.best()), (None, 0.0, None));
    }

    #[test]
    fn the_probability_of_a_lead_is_that_of_the_beta_distribution() {
        // Values of `1 - scipy.stats.beta.cdf(0.5, first + 1, second + 1)`.
        for (first, second, expected) in
            [(0, 0, 0.5), (1, 0, 0.75), (4, 0, 0.968_75), (3, 1, 0.812_5), (10, 4, 0.940_765_380_859_375), (7, 7, 0.5)]
        {
            assert!((leads_with_probability(first, second) - expected).abs() < 1e-12, "{first}:{second}");
        }
        assert!(leads_with_probability(5000, 10) > 0.999, "large counts do not underflow");
    }

    #[test]
    fn certainty_stops_a_clear_vote_and_lets_a_close_one_go_on() {
        let certain = Ballot { certainty: Some(0.95), ..ballot(40) };
        assert_eq!(vote(&certain, &[(Some("a"), 0.5); 40]).solutions.len(), 4);
        let close: Vec<_> = (0..40).map(|index| (Some(if index % 2 == 0 { "a" } else { "b" }), 0.5)).collect();
        assert_eq!(vote(&certain, &close).solutions.len(), 40);
    }
}
