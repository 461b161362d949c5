//! What was asked and what it costs, and the user's limits on both.

use super::dialect::Usage;
use super::{OpenaiError, Price};

/// Characters per token where the endpoint does not count: a common rule of thumb for English.
const CHARACTERS_PER_TOKEN: usize = 4;

/// Tokens of a text of `bytes`, about.
pub(super) fn estimated_tokens(bytes: usize) -> u64 {
    bytes.div_ceil(CHARACTERS_PER_TOKEN) as u64
}

/// Counts requests, tokens and money of one run; the money of earlier processes is in it.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    price: Option<Price>,
    max_cost_usd: Option<f64>,
    max_requests: Option<u64>,
    /// Paid, and what attempts without a reply may have cost.
    spent_usd: f64,
    /// The most that the requests under way can cost.
    reserved_usd: f64,
    requests: u64,
    tokens: u64,
    is_estimated: bool,
}

impl Ledger {
    /// # Errors
    /// A limit on costs without a price; a limit that is no number from 0.
    pub(super) fn new(
        price: Option<Price>,
        max_cost_usd: Option<f64>,
        max_requests: Option<u64>,
        spent_usd: f64,
    ) -> Result<Self, OpenaiError> {
        let bad = |expected, found: String| Err(OpenaiError::Setting { key: "--max-cost", expected, found });
        match max_cost_usd {
            Some(limit) if !(limit >= 0.0 && limit.is_finite()) => {
                return bad("US dollars, at least 0", limit.to_string());
            }
            Some(_) if price.is_none() => return bad("a source with a `price`", "one without".to_owned()),
            _ => {}
        }
        Ok(Self {
            price,
            max_cost_usd,
            max_requests,
            spent_usd,
            reserved_usd: 0.0,
            requests: 0,
            tokens: 0,
            is_estimated: false,
        })
    }

    /// The price of so many tokens, in US dollars; nothing without a price.
    pub(super) fn cost(&self, usage: Usage) -> f64 {
        self.price.map_or(0.0, |price| {
            (usage.prompt_tokens as f64 * price.prompt_usd_per_million
                + usage.completion_tokens as f64 * price.completion_usd_per_million)
                / 1e6
        })
    }

    /// The most that a request can cost: no prompt has more tokens than its body has bytes.
    pub(super) fn worst(&self, body_bytes: usize, max_tokens: u32) -> f64 {
        self.cost(Usage { prompt_tokens: body_bytes as u64, completion_tokens: u64::from(max_tokens) })
    }

    /// Whether a request that costs at most `worst` can go without any limit being exceeded.
    pub(super) fn admits(&self, worst: f64) -> bool {
        let within_cost = self.max_cost_usd.is_none_or(|limit| self.spent_usd + self.reserved_usd + worst <= limit);
        within_cost && self.max_requests.is_none_or(|limit| self.requests < limit)
    }

    /// Counts a request that goes now.
    pub(super) fn reserve(&mut self, worst: f64) {
        self.requests += 1;
        self.reserved_usd += worst;
    }

    /// Counts what became of a request: what it cost instead of `worst`, and its tokens.
    pub(super) fn settle(&mut self, worst: f64, cost: f64, tokens: u64, is_estimated: bool) {
        self.reserved_usd = (self.reserved_usd - worst).max(0.0);
        self.spent_usd += cost;
        self.tokens += tokens;
        self.is_estimated |= is_estimated;
    }

    /// Money so far, in US dollars, and whether part of it is an estimate.
    pub(super) fn spent(&self) -> (f64, bool) {
        (self.spent_usd, self.is_estimated)
    }

    /// Whether anything costs money at all.
    pub(super) fn has_price(&self) -> bool {
        self.price.is_some()
    }

    /// Tokens of the replies of this process.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The error of a limit that is reached.
    pub(super) fn exhausted(&self) -> OpenaiError {
        let requests = format!("{} requests were sent", self.requests);
        match (self.max_requests, self.max_cost_usd) {
            (Some(limit), _) if self.requests >= limit => {
                OpenaiError::Budget { limit: format!("--max-requests {limit}"), spent: requests }
            }
            (_, limit) => OpenaiError::Budget {
                limit: format!("--max-cost {}", limit.unwrap_or_default()),
                spent: format!("{:.6} US dollars are spent, {requests}", self.spent_usd),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price { prompt_usd_per_million: 1.0, completion_usd_per_million: 10.0 };

    #[test]
    fn requests_under_way_count_with_the_most_they_can_cost() {
        let mut ledger = Ledger::new(Some(PRICE), Some(0.004), None, 0.001).unwrap();
        let worst = ledger.worst(500, 100);
        assert!((worst - 0.0015).abs() < 1e-12);
        assert!(ledger.admits(worst));
        ledger.reserve(worst);
        assert!(ledger.admits(worst));
        ledger.reserve(worst);
        assert!(!ledger.admits(worst), "0.001 + 3 * 0.0015 is more than 0.004");
        ledger.settle(worst, 0.0002, 20, false);
        assert!(!ledger.admits(worst), "0.0012 + 0.0015 + 0.0015");
        ledger.settle(worst, 0.0002, 20, true);
        assert!(ledger.admits(worst));
        assert!((ledger.spent().0 - 0.0014).abs() < 1e-12 && ledger.spent().1);
        assert!(ledger.exhausted().to_string().contains("--max-cost 0.004"));
    }

    #[test]
    fn requests_are_limited_too() {
        let mut ledger = Ledger::new(None, None, Some(2), 0.0).unwrap();
        ledger.reserve(0.0);
        assert!(ledger.admits(0.0));
        ledger.reserve(0.0);
        assert!(!ledger.admits(0.0));
        assert!(ledger.exhausted().to_string().contains("--max-requests 2"));
    }

    #[test]
    fn a_limit_that_cannot_be_kept_is_refused() {
        assert!(Ledger::new(None, Some(1.0), None, 0.0).is_err());
        assert!(Ledger::new(Some(PRICE), Some(f64::NAN), None, 0.0).is_err());
        assert!(Ledger::new(Some(PRICE), Some(-1.0), None, 0.0).is_err());
    }
}
