//! Whether anything is there at the endpoint's address, and how long that is hoped for.

use std::time::{Duration, Instant};

use super::fault::Fault;

/// Completions given up in a row because nothing was reached, after which the run is.
const MOST_COMPLETIONS: u32 = 16;

/// How long an address is tried at which nothing ever answered, and how often by one completion at least: more likely than a
/// server that is away, it is wrong.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
const FIRST_ATTEMPTS: u32 = 3;

/// What is known about the endpoint's address.
#[derive(Default)]
pub(super) struct Reach {
    /// When the first request went.
    begun: Option<Instant>,
    has_answered: bool,
    /// Attempts in a row that reached nothing.
    pub(super) missed: u64,
    /// Completions given up in a row because of such.
    completions: u32,
}

impl Reach {
    /// `has_answered`: whether an earlier process of the run was answered. Such an endpoint is waited for.
    pub(super) fn new(has_answered: bool) -> Self {
        Self { has_answered, ..Self::default() }
    }

    /// A request goes.
    pub(super) fn sent(&mut self, now: Instant) {
        self.begun.get_or_insert(now);
    }

    /// Something answered.
    pub(super) fn answered(&mut self) {
        *self = Self { begun: self.begun, ..Self::new(true) };
    }

    /// An attempt failed.
    pub(super) fn suffered(&mut self, fault: &Fault) {
        if fault.is_unreachable() {
            self.missed += 1;
        } else {
            self.answered();
        }
    }

    /// Whether the address is given up now that one of its completions failed `attempts` times, before anything ever answered.
    pub(super) fn is_wrong(&self, attempts: u32, now: Instant) -> bool {
        let is_due = self.begun.is_some_and(|begun| now.duration_since(begun) >= FIRST_PATIENCE);
        !self.has_answered && is_due && attempts >= FIRST_ATTEMPTS
    }

    /// Whether it is given up now that a completion is, because of `fault`.
    pub(super) fn is_lost(&mut self, fault: &Fault) -> bool {
        self.completions += u32::from(fault.is_unreachable());
        self.completions >= MOST_COMPLETIONS
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::Class;
    use super::*;

    #[test]
    fn only_an_address_that_never_answered_is_given_up_early() {
        let begun = Instant::now();
        let (soon, late) = (begun + FIRST_PATIENCE / 2, begun + FIRST_PATIENCE);
        let mut reach = Reach::new(false);
        assert!(!reach.is_wrong(FIRST_ATTEMPTS, late), "nothing was sent");
        reach.sent(begun);
        reach.sent(late);
        assert!(reach.is_wrong(FIRST_ATTEMPTS, late));
        assert!(!reach.is_wrong(FIRST_ATTEMPTS, soon));
        assert!(!reach.is_wrong(FIRST_ATTEMPTS - 1, late));
        reach.suffered(&Fault::new("http_503", Class::Retry, ""));
        assert!(!reach.is_wrong(FIRST_ATTEMPTS, late), "a refusal is an answer");
        let mut resumed = Reach::new(true);
        resumed.sent(begun);
        assert!(!resumed.is_wrong(FIRST_ATTEMPTS, late), "an earlier process was answered");
    }

    #[test]
    fn completions_given_up_in_a_row_end_the_run() {
        let refused = Fault::new("connect", Class::Retry, "");
        let mut reach = Reach::new(true);
        for _ in 1..MOST_COMPLETIONS {
            reach.suffered(&refused);
            assert!(!reach.is_lost(&refused));
        }
        assert!(reach.is_lost(&refused));
        assert_eq!(reach.missed, u64::from(MOST_COMPLETIONS) - 1);
        reach.answered();
        assert!(!reach.is_lost(&refused) && reach.missed == 0);
    }
}
