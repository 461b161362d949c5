//! The expression on either side of an equal sign.

use std::ops::Range;

use super::token::{Number, Operator, Placed, Token};

/// Words that may stand between a number and what goes on with it: `5 red apples + 3`.
const UNIT_WORDS: usize = 3;

/// The longest expression that ends before the equal sign at `equals`; `None` where what it belongs to is not understood.
pub(super) fn before(text: &str, tokens: &[Placed], equals: usize) -> Option<Range<usize>> {
    let lines = tokens[..equals].iter().rev().take_while(|placed| placed.token == Token::Line).count();
    let end = equals - lines;
    let mut at = end;
    loop {
        at = operand_start(tokens, without_units(text, tokens, at)?)?;
        if at > 0 && is_mixed(tokens, at - 1) {
            at -= 1;
        }
        let begins_with_bracket = matches!(tokens[at].token, Token::Open(_));
        let Some(previous) = at.checked_sub(1) else { return Some(0..end) };
        match tokens[previous].token {
            Token::Line | Token::Break | Token::Equals { .. } | Token::Open(_) => return Some(at..end),
            Token::Word if is_variable(text, tokens[previous]) => return None,
            Token::Word => return Some(at..end),
            Token::Operator(_) => at = previous,
            Token::Number(_) | Token::Close(_) if begins_with_bracket => {}
            Token::Number(_) | Token::Close(_) | Token::Opaque => return None,
        }
    }
}

/// The expression that begins after the equal sign at `equals`.
pub(super) fn after(text: &str, tokens: &[Placed], equals: usize) -> Option<Range<usize>> {
    let lines = tokens[equals + 1..].iter().take_while(|placed| placed.token == Token::Line).count();
    let start = equals + 1 + lines;
    let mut at = start;
    loop {
        at = operand_end(tokens, at)?;
        let token = |at: usize| tokens.get(at).map(|placed| placed.token);
        match token(at) {
            Some(Token::Open(Some(_))) if begins_operand(tokens, at) => continue,
            Some(Token::Opaque | Token::Number(_)) => return None,
            Some(Token::Word) if is_variable(text, tokens[at]) => return None,
            _ => {}
        }
        let words = tokens[at..].iter().take(UNIT_WORDS).take_while(|placed| placed.token == Token::Word).count();
        let Some(Token::Operator(operator)) = token(at + words) else { return Some(start..at) };
        let next = at + words + 1;
        if begins_operand(tokens, next) {
            at = next;
            continue;
        }
        // `= 8 - so she has 8`: a dash, not a minus.
        let is_dash =
            operator == Operator::Subtract && token(next) == Some(Token::Word) && !is_variable(text, tokens[next]);
        return is_dash.then_some(start..at);
    }
}

fn begins_operand(tokens: &[Placed], at: usize) -> bool {
    match tokens.get(at).map(|placed| placed.token) {
        Some(Token::Number(_)) => true,
        Some(Token::Open(Some(_))) => matches!(tokens[at + 1].token, Token::Number(_) | Token::Open(Some(_))),
        _ => false,
    }
}

/// The end of the number, mixed number or bracket at `at`.
fn operand_end(tokens: &[Placed], at: usize) -> Option<usize> {
    match tokens.get(at)?.token {
        Token::Number(_) if is_mixed(tokens, at) => Some(at + 4),
        Token::Number(_) => Some(at + 1),
        Token::Open(Some(close)) => Some(close + 1),
        _ => None,
    }
}

fn operand_start(tokens: &[Placed], end: usize) -> Option<usize> {
    match tokens[end.checked_sub(1)?].token {
        Token::Number(_) => Some(end - 1),
        Token::Close(start) => start,
        _ => None,
    }
}

/// Where the operand ends whose units end at `end`.
fn without_units(text: &str, tokens: &[Placed], end: usize) -> Option<usize> {
    let is_unit = |placed: &&Placed| placed.token == Token::Word && !is_variable(text, **placed);
    let words = tokens[..end].iter().rev().take(UNIT_WORDS).take_while(is_unit).count();
    Some(end - words).filter(|at| *at > 0)
}

/// A letter alone, but for those that are words.
fn is_variable(text: &str, placed: Placed) -> bool {
    let word = &text[placed.start..placed.end];
    word.chars().nth(1).is_none() && !matches!(word, "a" | "A" | "I")
}

/// Whether a fraction such as `1/2` begins at `at`, whole and proper.
fn is_fraction(tokens: &[Placed], at: usize) -> bool {
    match tokens.get(at..at + 3).map(|three| [three[0].token, three[1].token, three[2].token]) {
        Some([Token::Number(over), Token::Operator(Operator::Divide), Token::Number(under)]) => {
            over.decimals == 0 && under.decimals == 0 && over.value > 0.0 && over.value < under.value
        }
        _ => false,
    }
}

/// Whether a mixed number such as `2 1/2` begins at `at`.
pub(super) fn is_mixed(tokens: &[Placed], at: usize) -> bool {
    matches!(tokens[at].token, Token::Number(Number { decimals: 0, percent: false, .. })) && is_fraction(tokens, at + 1)
}
