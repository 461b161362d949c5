//! How often each verdict was given.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Reason, Verdict};

/// How many rationales were kept, and how many rejected for each reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Kept.
    pub kept: usize,
    /// Rejected, by the reason's code; a reason that could be given and never was is there with 0.
    pub rejected: BTreeMap<String, usize>,
    /// Of the kept ones, those that count less.
    #[serde(default)]
    pub down_weighted: usize,
    /// Of the kept ones, what they are weighed for, by the reason's code; one that is weighed twice is in two counts.
    #[serde(default)]
    pub weighed: BTreeMap<String, usize>,
    /// Of the kept ones, what was only reported, by the reason's code.
    pub reported: BTreeMap<String, usize>,
}

impl Counts {
    /// All rationales that got a verdict.
    #[must_use]
    pub fn total(&self) -> usize {
        self.kept + self.rejected.values().sum::<usize>()
    }

    /// Counts one more verdict.
    pub fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Keep => self.kept += 1,
            Verdict::Weigh { weight, reasons } => {
                self.kept += 1;
                self.down_weighted += usize::from(!weight.is_full());
                reasons.iter().for_each(|reason| increase(&mut self.weighed, reason.code()));
            }
            Verdict::Reject(reason) => increase(&mut self.rejected, reason.code()),
        }
    }

    /// Counts something that was found in a kept rationale.
    pub fn report(&mut self, reason: &Reason) {
        increase(&mut self.reported, reason.code());
    }
}

/// No new key is made for a code that is there: this runs once a rationale.
fn increase(counts: &mut BTreeMap<String, usize>, code: &str) {
    match counts.get_mut(code) {
        Some(count) => *count += 1,
        None => {
            counts.insert(code.to_owned(), 1);
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |counts: &BTreeMap<String, usize>| {
            let mut listed: Vec<_> = counts.iter().collect();
            listed.sort_by_key(|(code, count)| (std::cmp::Reverse(**count), code.as_str()));
            let listed: Vec<String> =
                listed.iter().map(|(code, count)| format!("{} {count}", code.replace('_', " "))).collect();
            listed.join(", ")
        };
        write!(formatter, "kept {} of {}", self.kept, self.total())?;
        if !self.rejected.is_empty() {
            write!(formatter, " ({})", listed(&self.rejected))?;
        }
        if !self.weighed.is_empty() {
            write!(formatter, "; {} of the kept count less: {}", self.down_weighted, listed(&self.weighed))?;
        }
        if !self.reported.is_empty() {
            write!(formatter, "; among the kept: {}", listed(&self.reported))?;
        }
        Ok(())
    }
}
