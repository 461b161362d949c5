//! The value of an expression, as far as its numbers are known.

use super::side::is_mixed;
use super::token::{Number, Operator, Placed, Token};

/// How a percentage is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Percent {
    /// `20 %` is 0.2.
    Fraction,
    /// `20 %` is 20.
    Plain,
    /// Added to something, `20 %` is a fifth of it; else 0.2.
    OfLeft,
}

/// Everything between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Interval {
    fn exact(value: f64) -> Self {
        Self { low: value, high: value }
    }

    /// The number, with what rounding may have taken from it if it looks like a repeating decimal.
    fn of(number: Number, percent: Percent) -> Self {
        let scale = if number.percent && percent != Percent::Plain { 0.01 } else { 1.0 };
        let doubt = if looks_rounded(number) { 10f64.powi(-(number.decimals as i32)) } else { 0.0 };
        Self { low: (number.value - doubt) * scale, high: (number.value + doubt) * scale }
    }

    fn combined(self, operator: Operator, right: Self) -> Option<Self> {
        let corners = |of: fn(f64, f64) -> f64| {
            let corners = [
                of(self.low, right.low),
                of(self.low, right.high),
                of(self.high, right.low),
                of(self.high, right.high),
            ];
            let fold = |of: fn(f64, f64) -> f64| corners.into_iter().reduce(of).unwrap_or_default();
            Self { low: fold(f64::min), high: fold(f64::max) }
        };
        let result = match operator {
            Operator::Add => Self { low: self.low + right.low, high: self.high + right.high },
            Operator::Subtract => Self { low: self.low - right.high, high: self.high - right.low },
            Operator::Multiply => corners(|left, right| left * right),
            Operator::Divide if right.low <= 0.0 && right.high >= 0.0 => return None,
            Operator::Divide => corners(|left, right| left / right),
            Operator::Power => corners(f64::powf),
        };
        (result.low.is_finite() && result.high.is_finite()).then_some(result)
    }
}

/// Whether the digits after the point look like those of a rounded or cut fraction: three or more, or two that thirds and
/// sixths have.
fn looks_rounded(number: Number) -> bool {
    match number.decimals {
        0 | 1 => false,
        2 => matches!((number.value.abs() * 100.0).round() as u64 % 100, 33 | 66 | 67 | 16 | 17 | 83),
        _ => true,
    }
}

/// The value of the expression that `tokens` are; `None` where it has none, or is no expression after all.
pub(super) fn value(tokens: &[Placed], percent: Percent) -> Option<Interval> {
    let mut machine = Machine { values: Vec::new(), waiting: Vec::new(), percent };
    let mut after_operand = false;
    let mut at = 0;
    while let Some(placed) = tokens.get(at) {
        match placed.token {
            Token::Number(number) => {
                if after_operand {
                    return None;
                }
                if let Some(value) = mixed(tokens, at) {
                    machine.values.push((Interval::exact(value), false));
                    at += 3;
                } else {
                    machine.values.push((Interval::of(number, percent), number.percent));
                }
                after_operand = true;
            }
            Token::Open(_) => {
                if after_operand {
                    machine.operator(Operator::Multiply)?;
                }
                machine.waiting.push(Waiting::Open);
                after_operand = false;
            }
            Token::Close(_) => {
                machine.close()?;
                after_operand = true;
            }
            Token::Operator(operator) if after_operand => {
                machine.operator(operator)?;
                after_operand = false;
            }
            Token::Word if after_operand => {}
            _ => return None,
        }
        at += 1;
    }
    machine.result()
}

/// The value of the mixed number, such as `2 1/2`, that begins at `at`.
fn mixed(tokens: &[Placed], at: usize) -> Option<f64> {
    if !is_mixed(tokens, at) {
        return None;
    }
    match [tokens[at].token, tokens[at + 1].token, tokens[at + 3].token] {
        [Token::Number(whole), Token::Number(over), Token::Number(under)] => {
            Some(whole.value + over.value.copysign(whole.value) / under.value)
        }
        _ => None,
    }
}

/// What waits for its right operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Open,
    Operator(Operator),
}

impl Waiting {
    fn rank(self) -> u32 {
        match self {
            Self::Open => 0,
            Self::Operator(Operator::Add | Operator::Subtract) => 1,
            Self::Operator(Operator::Multiply | Operator::Divide) => 2,
            Self::Operator(Operator::Power) => 3,
        }
    }
}

/// Operators by rank over a stack of values, so that no text can exhaust the call stack.
struct Machine {
    /// Each with whether it is a percentage.
    values: Vec<(Interval, bool)>,
    waiting: Vec<Waiting>,
    percent: Percent,
}

impl Machine {
    fn operator(&mut self, operator: Operator) -> Option<()> {
        let next = Waiting::Operator(operator);
        // Powers are read from the right, everything else from the left.
        let goes_first = |waiting: Waiting| waiting.rank() >= next.rank() && operator != Operator::Power;
        while self.waiting.last().is_some_and(|waiting| goes_first(*waiting)) {
            self.apply()?;
        }
        self.waiting.push(next);
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        while *self.waiting.last()? != Waiting::Open {
            self.apply()?;
        }
        self.waiting.pop();
        Some(())
    }

    fn apply(&mut self) -> Option<()> {
        let Waiting::Operator(operator) = self.waiting.pop()? else { return None };
        let (right, is_percent) = self.values.pop()?;
        let (left, _) = self.values.pop()?;
        let is_sum = matches!(operator, Operator::Add | Operator::Subtract);
        let right = if is_sum && is_percent && self.percent == Percent::OfLeft {
            left.combined(Operator::Multiply, right)?
        } else {
            right
        };
        self.values.push((left.combined(operator, right)?, false));
        Some(())
    }

    fn result(mut self) -> Option<Interval> {
        while !self.waiting.is_empty() {
            self.apply()?;
        }
        match self.values.as_slice() {
            [(value, _)] => Some(*value),
            _ => None,
        }
    }
}
