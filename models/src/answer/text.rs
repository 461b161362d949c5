//! Free-text answers, read alike by both graders.

use super::Answer;

const PAIRS: [(char, char); 9] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('(', ')'),
    ('[', ']'),
    ('{', '}'),
    ('<', '>'),
    ('\u{201c}', '\u{201d}'),
    ('\u{2018}', '\u{2019}'),
];

/// The first line of `text` that is not blank, normalised; `None` where nothing is left.
pub(super) fn first_line(text: &str) -> Option<Answer> {
    normalised(text.trim_start().lines().next()?)
}

/// `text` without outer blanks, one layer of quotes or brackets and a final full stop (inside or outside of them);
/// `None` where nothing is left.
pub(super) fn normalised(text: &str) -> Option<Answer> {
    let outer = without_stop(text);
    let inner = PAIRS
        .iter()
        .find_map(|(open, close)| outer.strip_prefix(*open)?.strip_suffix(*close))
        .map_or(outer, without_stop);
    (!inner.is_empty()).then(|| Answer::worded(inner))
}

fn without_stop(text: &str) -> &str {
    let text = text.trim();
    text.strip_suffix('.').unwrap_or(text).trim_end()
}

/// Whether `prediction` and `gold` agree but for case and what [`normalised`] removes.
pub(super) fn is_same(prediction: &Answer, gold: &str) -> bool {
    normalised(gold).is_some_and(|gold| prediction.text().to_lowercase() == gold.text().to_lowercase())
}
