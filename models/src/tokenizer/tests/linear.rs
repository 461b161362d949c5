//! Twice the text takes at most two and a half times as long, whatever the text.

use std::time::{Duration, Instant};

use super::made::{self, Pair};

/// Doublings that are measured at once. Long texts pay for fresh pages and lose the nearer caches, which makes linear work up
/// to three times as slow somewhere on the way; over six doublings that is far from the bound, and quadratic time far beyond.
const DOUBLINGS: i32 = 6;
/// Time that is measured at once. The kernel counts in ticks of a few milliseconds.
const MEASURED: Duration = Duration::from_millis(60);

/// Time since some moment: what this thread computed, where the system tells, so that a busy machine does not count.
fn now(start: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|number| number.parse().ok());
    nanoseconds.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Mean time of encoding `text`.
fn mean(pair: &Pair, text: &str) -> f64 {
    let start = Instant::now();
    let (begin, mut runs) = (now(start), 0);
    loop {
        std::hint::black_box(pair.mapped.encode(text).unwrap());
        runs += 1;
        let taken = now(start).saturating_sub(begin);
        if taken >= MEASURED {
            return taken.as_secs_f64() / f64::from(runs);
        }
    }
}

#[test]
fn time_grows_with_the_text() {
    let units = ["a", " ", "\n", " \n", "e\u{301}", "\u{301}", "<", "<|im", "'", "!", "1", "日", "the cat ", "x  "];
    for (kind, composes) in [("whole", false), ("digits", false), ("qwen2", true)] {
        let pair = Pair::of(kind, made::file(kind, false, composes).to_string().as_bytes());
        for unit in units {
            let text = unit.repeat(32_000 / unit.len());
            let long = text.repeat(1 << DOUBLINGS);
            // Whatever shares the caches can spoil some comparisons, not five.
            let mut growth = (0..5).map(|_| mean(&pair, &long) / mean(&pair, &text));
            let holds = growth.any(|growth| growth <= 2.5_f64.powi(DOUBLINGS));
            assert!(holds, "{kind}: {unit:?} repeated takes more than 2.5 times as long for each doubling of the text");
        }
    }
}
