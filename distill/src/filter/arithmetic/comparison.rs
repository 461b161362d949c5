//! Whether the two sides of an equal sign are equal, as far as can be said.

use std::ops::Range;

use super::token::{Number, Operator, Placed, Token};
use super::value::{Interval, Percent, value};

/// Words that make `60 minutes = 1 hour` true: between different ones, nothing is compared.
const MEASURES: [&str; 44] = [
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
    "decade",
    "century",
    "centuries",
    "inch",
    "inche",
    "foot",
    "feet",
    "yard",
    "mile",
    "centimeter",
    "meter",
    "metre",
    "kilometer",
    "cm",
    "mm",
    "km",
    "gram",
    "kilogram",
    "kg",
    "ounce",
    "pound",
    "ton",
    "cent",
    "dollar",
    "dime",
    "nickel",
    "quarter",
    "penny",
    "dozen",
    "hundred",
    "thousand",
    "million",
    "billion",
    "gallon",
    "quart",
    "pint",
    "cup",
];

/// One side of an equal sign.
struct Side<'a> {
    text: &'a str,
    tokens: &'a [Placed],
    /// What follows, for the unit of the last number.
    rest: &'a [Placed],
}

/// Whether `left` and `right` are equal; `None` where that cannot be said, or where nothing is computed.
pub(super) fn holds(
    text: &str,
    tokens: &[Placed],
    left: Range<usize>,
    right: Range<usize>,
    rough: bool,
) -> Option<bool> {
    let side = |range: Range<usize>| Side { text, rest: &tokens[range.end..], tokens: &tokens[range] };
    let is_bounded = left.start == 0 || tokens[left.start - 1].token != Token::Word;
    let (left, right) = (side(left), side(right));
    let computes = (left.operates(|_| true), right.operates(|_| true));
    if computes == (false, false) || (!computes.0 && !is_bounded) || is_label(&left, &right, computes) {
        return None;
    }
    if left.measure().zip(right.measure()).is_some_and(|(left, right)| left != right) {
        return None;
    }
    let readings: &[[Percent; 2]] = if left.has_percent() || right.has_percent() {
        use Percent::{Fraction, OfLeft, Plain};
        &[[Fraction, Fraction], [Plain, Plain], [Fraction, Plain], [Plain, Fraction], [OfLeft, OfLeft]]
    } else {
        &[[Percent::Fraction, Percent::Fraction]]
    };
    let mut known = false;
    for [of_left, of_right] in readings {
        let (Some(first), Some(second)) = (value(left.tokens, *of_left), value(right.tokens, *of_right)) else {
            continue;
        };
        known = true;
        let result = if computes.1 { left.plain(*of_left, !computes.0) } else { right.plain(*of_right, true) };
        let computed = if computes.1 && !computes.0 { second } else { first };
        let equal = match result {
            Some(result) => is_result(computed, result, rough) || (!computes.1 && right.is_remaining(computed, result)),
            None => {
                touch(first, second) || right.plain(*of_right, true).is_some_and(|start| is_result(first, start, rough))
            }
        };
        if equal {
            return Some(true);
        }
    }
    known.then_some(false)
}

/// Whether the left side names things rather than to compute: `2 shirts + 3 hats = $35`, `3 feet = 3 × 12`.
fn is_label(left: &Side<'_>, right: &Side<'_>, computes: (bool, bool)) -> bool {
    if !left.has_units() {
        return false;
    }
    let only_adds = !left.operates(|operator| matches!(operator, Operator::Multiply | Operator::Divide));
    let is_priced = only_adds && right.has_currency() && !left.has_currency();
    !computes.0 || is_priced || (computes.1 && !right.has_units())
}

/// A plain number, its last digit's worth, and whether it is whole.
#[derive(Clone, Copy)]
struct Written {
    value: f64,
    /// What one more in the last written place is worth; 0 for whole numbers, which nothing was rounded to.
    place: f64,
}

/// Whether `computed`, rounded or cut to the written digits, may give `result`.
fn is_result(computed: Interval, result: Written, rough: bool) -> bool {
    let blur = 1e-9 * computed.low.abs().max(computed.high.abs()).max(1.0);
    let rough = if rough { result.place.max(1.0).max(0.05 * result.value.abs()) } else { 0.0 };
    // Rounding goes half a place either way; cutting goes towards zero, by less than a whole place.
    let (rounded, cut) = (0.5 * result.place, result.place * (1.0 - 1e-6));
    let (below, above) = if result.value < 0.0 { (cut, rounded) } else { (rounded, cut) };
    let (below, above) = (below.max(rough) + blur, above.max(rough) + blur);
    computed.high >= result.value - below && computed.low <= result.value + above
}

fn touch(left: Interval, right: Interval) -> bool {
    let blur = 1e-9 * left.low.abs().max(right.high.abs()).max(1.0);
    left.low <= right.high + blur && right.low <= left.high + blur
}

impl Side<'_> {
    fn operates(&self, wanted: impl Fn(Operator) -> bool) -> bool {
        let operator = |placed: &Placed| matches!(placed.token, Token::Operator(operator) if wanted(operator));
        let brackets = |pair: &[Placed]| {
            matches!(pair[0].token, Token::Number(_) | Token::Close(_)) && matches!(pair[1].token, Token::Open(_))
        };
        self.tokens.iter().any(operator) || (wanted(Operator::Multiply) && self.tokens.windows(2).any(brackets))
    }

    fn numbers(&self) -> impl Iterator<Item = Number> + '_ {
        self.tokens
            .iter()
            .filter_map(|placed| if let Token::Number(number) = placed.token { Some(number) } else { None })
    }

    fn has_percent(&self) -> bool {
        self.numbers().any(|number| number.percent)
    }

    fn has_currency(&self) -> bool {
        self.numbers().any(|number| number.currency)
    }

    fn has_units(&self) -> bool {
        self.tokens.iter().any(|placed| placed.token == Token::Word)
    }

    /// The first number as it is written, if `wanted`.
    fn plain(&self, percent: Percent, wanted: bool) -> Option<Written> {
        let number = self.numbers().next().filter(|_| wanted)?;
        let scale = if number.percent && percent != Percent::Plain { 0.01 } else { 1.0 };
        let place = if number.decimals == 0 { 0.0 } else { scale * 10f64.powi(-(number.decimals as i32)) };
        Some(Written { value: number.value * scale, place })
    }

    /// Whether the text names a remainder after the whole quotient `result`.
    fn is_remaining(&self, computed: Interval, result: Written) -> bool {
        let mut words = self.rest.iter().take(4).take_while(|placed| placed.token != Token::Line);
        let says = words.any(|placed| {
            let word = &self.text[placed.start..placed.end];
            ["r", "remainder", "left", "leftover"].iter().any(|name| word.eq_ignore_ascii_case(name))
        });
        says && result.place == 0.0 && computed.low.floor() == result.value
    }

    /// The measure of the last number, singular.
    fn measure(&self) -> Option<&'static str> {
        let following = self.rest.iter().take(2).take_while(|placed| placed.token == Token::Word);
        let words = self.tokens.iter().filter(|placed| placed.token == Token::Word).chain(following);
        let named = words.filter_map(|placed| measure(&self.text[placed.start..placed.end])).last();
        named.or_else(|| self.has_currency().then_some("dollar"))
    }
}

fn measure(word: &str) -> Option<&'static str> {
    let singular = word.strip_suffix(['s', 'S']).unwrap_or(word);
    MEASURES.into_iter().find(|name| singular.eq_ignore_ascii_case(name) || word.eq_ignore_ascii_case(name))
}
