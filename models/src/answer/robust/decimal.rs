//! Numbers as people write them: `$1,039`, `-5`, `.5`, `12.50`, `1/2`, `3 1/2`, `fifty-two`.

use super::super::python;
use super::scope::Scope;
use super::words;

/// A number: its value, and its shortest decimal text (no needless zeros, no `+`, no commas).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decimal {
    pub(super) text: String,
    pub(super) value: f64,
}

impl Decimal {
    /// From digits of any script, with commas and at most one full stop among them.
    fn parse(negative: bool, written: &str) -> Option<Self> {
        let ascii = |character| python::digit(character).and_then(|value| char::from_digit(value, 10));
        let plain: String =
            written.chars().filter(|c| *c != ',').map(|character| ascii(character).unwrap_or(character)).collect();
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let sign = if negative && !(whole.is_empty() && fraction.is_empty()) { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { whole };
        let point = if fraction.is_empty() { "" } else { "." };
        let text = format!("{sign}{whole}{point}{fraction}");
        Some(Self { value: text.parse().ok()?, text })
    }

    fn of(value: f64) -> Self {
        Self { text: (value + 0.0).to_string(), value }
    }
}

/// The number that `scope` gives as the answer.
pub(super) fn read(scope: &Scope<'_>) -> Option<Decimal> {
    // A text that opens with an equation works something out; one that opens with a bare number states it.
    let opens = |sentence: &str| !sentence.contains('=') && begins_with_number(sentence);
    let of_sentence = if scope.is_announced() { stated } else { concluded };
    scope.deciding(opens, of_sentence).or_else(|| words::number(scope.text()).map(Decimal::of))
}

/// The first number of `text`.
pub(super) fn first(text: &str) -> Option<Decimal> {
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        let end = unsigned_end(text, at);
        // Digits that a letter touches, as in `S1` or `x2`, are part of a name.
        if end > at && !text[..at].ends_with(char::is_alphabetic) {
            return with_fraction(text, at, end);
        }
        at = end.max(at + character.len_utf8());
    }
    None
}

/// What comes before a consequence within a sentence: `he ate 35, so he has 39`.
const CONSEQUENCES: [&str; 5] = [" so ", "which means ", "that means ", "which is ", " then "];

/// The result of the sentence's last equation, else its first number.
fn stated(sentence: &str) -> Option<Decimal> {
    let result = sentence.rsplit_once('=').and_then(|(_, result)| first(result));
    result.or_else(|| first(sentence))
}

/// The result of the sentence's last equation, else the first number of its last consequence, else its first number.
fn concluded(sentence: &str) -> Option<Decimal> {
    let consequence = CONSEQUENCES.iter().filter_map(|words| sentence.rfind(words)).max();
    consequence.and_then(|at| stated(&sentence[at..])).or_else(|| stated(sentence))
}

fn begins_with_number(text: &str) -> bool {
    let lead = text.find(char::is_alphanumeric);
    lead.is_some_and(|at| text[at..].starts_with(|character| python::digit(character).is_some()))
}

/// The end of the number without sign that begins at byte `start`; `start` itself where none does.
fn unsigned_end(text: &str, start: usize) -> usize {
    if text[start..].starts_with('.') && !text[..start].ends_with(char::is_alphanumeric) {
        return python::fraction_end(text, start);
    }
    let mut end = python::digits_end(text, start);
    if end == start {
        return start;
    }
    while end <= start + 3 || text[start..end].contains(',') {
        let group_end = python::digits_end(text, end + 1);
        if !text[end..].starts_with(',') || group_end != end + 4 {
            break;
        }
        end = group_end;
    }
    python::fraction_end(text, end)
}

/// The number at `start..end` together with its sign and with what makes it a fraction or a mixed number.
fn with_fraction(text: &str, start: usize, end: usize) -> Option<Decimal> {
    let negative = is_negative(&text[..start]);
    let number = Decimal::parse(negative, &text[start..end])?;
    if number.text.contains('.') {
        return Some(number);
    }
    let sign = if negative { -1.0 } else { 1.0 };
    if let Some(denominator) = denominator(text, end) {
        return Some(Decimal::of(number.value / denominator));
    }
    let Some(next) = text[end..].starts_with(' ').then_some(end + 1) else {
        return Some(number);
    };
    let numerator_end = python::digits_end(text, next);
    let part = python::float(&text[next..numerator_end]).zip(denominator(text, numerator_end));
    Some(match part {
        Some((numerator, denominator)) if numerator < denominator => {
            Decimal::of(number.value + sign * numerator / denominator)
        }
        _ => number,
    })
}

/// The denominator after a slash at byte `slash`. Two slashes make a date.
fn denominator(text: &str, slash: usize) -> Option<f64> {
    let end = python::digits_end(text, text[slash..].starts_with('/').then_some(slash + 1)?);
    let value = python::float(&text[slash + 1..end])?;
    (value > 0.0 && !text[end..].starts_with('/')).then_some(value)
}

/// Whether the text before a number ends in its minus sign rather than in an operator or a hyphen.
fn is_negative(before: &str) -> bool {
    let before = before.strip_suffix(['$', '£', '€']).unwrap_or(before);
    before
        .strip_suffix(['-', '\u{2212}'])
        .is_some_and(|rest| !rest.ends_with(|last: char| last.is_alphanumeric() || last == ')'))
}
