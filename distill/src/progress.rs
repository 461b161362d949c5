//! Progress bars: position, rate, ETA and a note, on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A progress bar that draws on stderr if it is a terminal, and is silent otherwise.
#[derive(Clone, Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar over `total` units of `unit` that starts at `done`.
    #[must_use]
    pub fn new(label: &str, unit: &str, total: u64, done: u64) -> Self {
        Self::drawn(label, &format!("{{pos}}/{{len}} {unit} · {{per_sec}}"), total, done)
    }

    /// A bar over `total` bytes.
    #[must_use]
    pub fn of_bytes(label: &str, total: u64) -> Self {
        Self::drawn(label, "{decimal_bytes}/{decimal_total_bytes} · {decimal_bytes_per_sec}", total, 0)
    }

    fn drawn(label: &str, amounts: &str, total: u64, done: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let template = format!("{{prefix:>8}} {{bar:28}} {amounts} · {{elapsed}} elapsed, {{eta}} left {{msg}}");
        // The template is a literal of ours; the default style is a safe second choice.
        bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(label.to_owned());
        bar.set_position(done);
        // Work done by an earlier process must not count towards this one's rate.
        bar.reset_eta();
        Self(bar)
    }

    /// Advances by one unit.
    pub fn advance(&self) {
        self.0.inc(1);
    }

    /// Advances by several units.
    pub fn advance_by(&self, units: u64) {
        self.0.inc(units);
    }

    /// Shows that `done` units are done.
    pub fn move_to(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Shows that `done` of `total` units are done.
    pub fn set(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    /// Shows a short text behind the bar.
    pub fn note(&self, text: String) {
        self.0.set_message(text);
    }

    /// Leaves the bar as it is and ends the line.
    pub fn finish(&self) {
        self.0.abandon();
    }
}
