//! Twice the text takes at most two and a half times as long, whatever the text.

use std::time::{Duration, Instant};

use super::made::{self, Pair};

/// Over three doublings the bound stands out from the noise: quadratic time would give 64.
const THREE_DOUBLINGS: f64 = 2.5 * 2.5 * 2.5;

/// Shortest of a few runs: what else the machine does only adds.
fn shortest(pair: &Pair, text: &str) -> Duration {
    let run = |_| {
        let start = Instant::now();
        std::hint::black_box(pair.mapped.encode(text).unwrap());
        start.elapsed()
    };
    (0..5).map(run).min().unwrap()
}

#[test]
fn time_grows_with_the_text() {
    let units = ["a", " ", "\n", " \n", "e\u{301}", "\u{301}", "<", "<|im", "'", "!", "1", "日", "the cat ", "x  "];
    for (kind, composes) in [("whole", false), ("digits", false), ("llama3", false), ("qwen2", true)] {
        let pair = Pair::of(kind, made::file(kind, false, composes).to_string().as_bytes());
        for unit in units {
            let text = unit.repeat(50_000 / unit.len());
            let ratio = |_| shortest(&pair, &text.repeat(8)).as_secs_f64() / shortest(&pair, &text).as_secs_f64();
            // A busy machine can spoil some comparisons, not ten.
            let ratios = (0..10).map(ratio).scan(false, |held, ratio| {
                let before = std::mem::replace(held, ratio <= THREE_DOUBLINGS);
                (!before).then_some(ratio)
            });
            let best = ratios.fold(f64::INFINITY, f64::min);
            assert!(
                best <= THREE_DOUBLINGS,
                "{kind}: {unit:?} repeated takes {best:.1} times as long for eightfold text"
            );
        }
    }
}
