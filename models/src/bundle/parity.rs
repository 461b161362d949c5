//! What a bundle's manifest tells about the proof of parity: one row for each form that was measured, and the gate.

use serde::{Deserialize, Serialize};

/// The exported graph against libtorch on the same weights.
///
/// The first numbers are of the float32 graph, which every export is proved by; [`Self::ladder`] has a row for every form
/// that was measured, the float32 one first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parity {
    /// Prompts that were compared.
    pub prompts: usize,
    /// Positions whose logits were compared.
    pub positions: usize,
    /// Largest absolute difference of a logit.
    pub max_logit_difference: f32,
    /// Largest magnitude of a logit of libtorch's; absent where nobody recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_logit: Option<f32>,
    /// Prompts whose greedy completions are equal, token by token.
    pub equal_greedy_completions: usize,
    /// Every form that was measured, in the order in which they were; empty where only the numbers above were recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ladder: Vec<Rung>,
    /// What the form of this bundle had to fulfil; absent for float32 alone, whose rule is that of the numbers above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
}

impl Parity {
    /// The row of the form that the gate let through, if there was one.
    #[must_use]
    pub fn chosen(&self) -> Option<&Rung> {
        let gate = self.gate.as_ref()?;
        self.ladder.iter().find(|rung| rung.form == gate.form)
    }
}

/// One form of a student against libtorch in float32.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// The form: `float32`, or how its matrices are stored.
    pub form: String,
    /// Size of graph and weights, in bytes.
    pub bytes: u64,
    /// Positions whose next token the question holds already.
    pub prompts: LogitError,
    /// Positions whose next token the student chooses: libtorch's own greedy completions, given to both.
    pub completions: LogitError,
    /// Greedy completions against those of the float32 graph; for the float32 graph against libtorch's.
    pub greedy: GreedyAgreement,
    /// Answers to held-out questions against those of the float32 graph; absent where none were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<AnswerFlips>,
}

/// How far logits are from libtorch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogitError {
    /// Positions that were compared.
    pub positions: usize,
    /// Largest absolute difference of a logit.
    pub max: f32,
    /// Root of the mean squared difference of a logit.
    pub rms: f64,
    /// Mean over the positions of the Kullback-Leibler divergence from libtorch's distribution, in nats.
    pub mean_kl: f64,
    /// Largest divergence of a position, in nats.
    pub max_kl: f64,
    /// Positions at which the most likely token is the same.
    pub same_top: usize,
}

/// How many greedy completions are the same, and where the others part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GreedyAgreement {
    /// Completions that were compared.
    pub completions: usize,
    /// Completions that are equal, token by token.
    pub equal: usize,
    /// Tokens that the others have in common before they part; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_tokens: Option<Spread>,
}

/// How counts are spread: each is one of them, the nearest-rank quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The smallest.
    pub least: usize,
    /// A quarter are this or smaller.
    pub lower_quartile: usize,
    /// Half are this or smaller.
    pub median: usize,
    /// Three quarters are this or smaller.
    pub upper_quartile: usize,
    /// The largest.
    pub most: usize,
}

impl Spread {
    /// The spread of `counts`; `None` if there are none.
    #[must_use]
    pub fn of(mut counts: Vec<usize>) -> Option<Self> {
        counts.sort_unstable();
        let quarter = |quarters: usize| counts.get((quarters * counts.len()).div_ceil(4).max(1) - 1).copied();
        Some(Self {
            least: quarter(0)?,
            lower_quartile: quarter(1)?,
            median: quarter(2)?,
            upper_quartile: quarter(3)?,
            most: quarter(4)?,
        })
    }
}

/// Answers that a form turned, on questions that the student was not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerFlips {
    /// Questions that both answered.
    pub questions: usize,
    /// Questions that the float32 graph answered right.
    pub float32_correct: usize,
    /// Questions that only the float32 graph answered right.
    pub correct_to_wrong: usize,
    /// Questions that only this form answered right.
    pub wrong_to_correct: usize,
    /// Accuracy of this form minus that of the float32 graph, in percentage points.
    pub difference_points: f64,
    /// Lower end of the difference's paired 95 % interval, in percentage points.
    pub low_points: f64,
    /// Upper end of it.
    pub high_points: f64,
}

/// The tolerance of an export, and whether the bundle keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Accuracy that may be lost against float32, in percentage points.
    pub within_points: f64,
    /// The form of this bundle, a row of the ladder.
    pub form: String,
    /// Whether the form keeps the tolerance; a bundle that does not was forced.
    pub inside: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_made_of_nearest_ranks() {
        let spread = |counts: &[usize]| {
            let spread = Spread::of(counts.to_vec())?;
            Some([spread.least, spread.lower_quartile, spread.median, spread.upper_quartile, spread.most])
        };
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[7]), Some([7; 5]));
        assert_eq!(spread(&[9, 1, 4, 3]), Some([1, 1, 3, 4, 9]));
        assert_eq!(spread(&[5, 4, 3, 2, 1]), Some([1, 2, 3, 4, 5]));
    }

    #[test]
    fn a_manifest_from_before_the_ladder_is_read_and_written_as_it_was() {
        let text = r#"{"prompts":200,"positions":21275,"max_logit_difference":0.00003,"equal_greedy_completions":200}"#;
        let parity: Parity = serde_json::from_str(text).unwrap();
        assert!(parity.ladder.is_empty() && parity.gate.is_none() && parity.max_logit.is_none());
        assert_eq!(serde_json::to_string(&parity).unwrap(), text);
    }
}
