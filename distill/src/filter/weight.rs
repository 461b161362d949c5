//! How much a kept rationale counts in training.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The factor of a training sample's loss: from 0, which teaches nothing, to 1, which every sample has by default.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct SampleWeight(f64);

/// No sample counts that much.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("expected a weight from 0 to 1, found {0}")]
pub struct WeightError(f64);

// The only values that break the laws of `Eq` are no numbers, and these are refused.
impl Eq for SampleWeight {}

impl SampleWeight {
    /// The weight of a sample about which nothing is said.
    pub const FULL: Self = Self(1.0);

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// Whether the sample counts as if nobody had weighed it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self == Self::FULL
    }

    /// The weight of a sample that is weighed twice.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }
}

impl Default for SampleWeight {
    fn default() -> Self {
        Self::FULL
    }
}

impl TryFrom<f64> for SampleWeight {
    type Error = WeightError;

    fn try_from(number: f64) -> Result<Self, WeightError> {
        // A negative nought would be another text for the same weight.
        if (0.0..=1.0).contains(&number) { Ok(Self(number.abs())) } else { Err(WeightError(number)) }
    }
}

impl From<SampleWeight> for f64 {
    fn from(weight: SampleWeight) -> Self {
        weight.0
    }
}

impl fmt::Display for SampleWeight {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_from_0_to_1_are_weights() {
        for number in [0.0, 0.25, 1.0] {
            assert_eq!(SampleWeight::try_from(number).unwrap().get().to_bits(), number.to_bits());
        }
        assert_eq!(SampleWeight::try_from(-0.0).unwrap().get().to_bits(), 0.0_f64.to_bits());
        for number in [-0.25, 1.5, f64::NAN, f64::INFINITY] {
            let message = SampleWeight::try_from(number).unwrap_err().to_string();
            assert_eq!(message, format!("expected a weight from 0 to 1, found {number}"));
        }
        assert_eq!(serde_json::from_str::<SampleWeight>("0.25").unwrap().get(), 0.25);
        assert!(serde_json::from_str::<SampleWeight>("2").is_err());
    }
}
