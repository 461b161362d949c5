//! What is shown while an endpoint is asked: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use crate::progress::Progress;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// How often the bar's text is renewed.
const NOTE_EVERY: Duration = Duration::from_millis(250);

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    /// Completions of the assignment; with adaptive degrees, those that may be needed.
    pub(super) total: u64,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) in_flight: usize,
    pub(super) waiting: usize,
    /// How long the endpoint wants to be left alone.
    pub(super) pause: Option<Duration>,
}

/// Shows how far a run is.
pub(super) struct Watch {
    bar: Option<Progress>,
    notice: Option<fn(&str)>,
    began: Instant,
    shown: Instant,
    /// Completions and money of earlier processes.
    done_before: u64,
    spent_before: f64,
}

impl Watch {
    pub(super) fn new(notice: Option<fn(&str)>, tally: &Tally, ledger: &Ledger) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = is_terminal.then(|| Progress::new("teach", "completions", tally.total, tally.done + tally.failed));
        let now = Instant::now();
        let (done_before, spent_before) = (tally.done + tally.failed, ledger.spent().0);
        Self { bar, notice, began: now, shown: now, done_before, spent_before }
    }

    /// Shows the state, unless that was done a moment ago.
    pub(super) fn show(&mut self, tally: &Tally, ledger: &Ledger) {
        let every = if self.bar.is_some() { NOTE_EVERY } else { LINE_EVERY };
        if self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        let sentence = self.sentence(tally, ledger);
        match (&self.bar, self.notice) {
            (Some(bar), _) => {
                bar.set(tally.done + tally.failed, tally.total);
                bar.note(sentence);
            }
            (None, Some(notice)) => notice(&format!("{} of {} done, {sentence}", tally.done, tally.total)),
            (None, None) => {}
        }
    }

    /// Leaves the last state on the terminal.
    pub(super) fn finish(&mut self, tally: &Tally, ledger: &Ledger) {
        if let Some(bar) = &self.bar {
            bar.set(tally.done + tally.failed, tally.total);
            bar.note(self.sentence(tally, ledger));
            bar.finish();
        }
    }

    fn sentence(&self, tally: &Tally, ledger: &Ledger) -> String {
        let seconds = self.began.elapsed().as_secs_f64().max(1e-3);
        let rate = ledger.tokens() as f64 / seconds;
        let mut parts = vec![format!("{} in flight, {} failed, {rate:.0} tokens/s", tally.in_flight, tally.failed)];
        if ledger.has_price() {
            parts.push(self.money(tally, ledger));
        }
        match tally.pause {
            Some(pause) => {
                parts.push(format!("the endpoint wants a pause of {:.0} s more", pause.as_secs_f64().ceil()));
            }
            None if tally.waiting > 0 => parts.push(format!("{} wait to be tried again", tally.waiting)),
            None => {}
        }
        parts.join(", ")
    }

    /// Cost so far and, at the price of this process's completions, at the end.
    fn money(&self, tally: &Tally, ledger: &Ledger) -> String {
        let (spent, is_estimated) = ledger.spent();
        let about = if is_estimated { "about " } else { "" };
        let done = tally.done + tally.failed;
        let here = done.saturating_sub(self.done_before);
        if here == 0 {
            return format!("{about}${spent:.4} so far");
        }
        let each = (spent - self.spent_before) / here as f64;
        let projected = spent + each * tally.total.saturating_sub(done) as f64;
        format!("{about}${spent:.4} of about ${projected:.2}")
    }
}
