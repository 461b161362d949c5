//! The arithmetic of a rationale: every equation such as `3 + 4 = 7` in it, checked.
//!
//! An equation is an equal sign between two things of which at least one is a sum, difference, product or quotient of
//! numbers, with units, currency signs, brackets, percentages and mixed numbers; in a chain `a + b = c + d = e` every equal
//! sign is one. What is not understood for certain is not judged: equations with variables, roots, times, dates. Right is
//!
//! - a result that was rounded or cut to the digits that are written (`10 / 3 = 3.33`), but not to a whole number, unless
//!   the text says `≈` or "about", or names the remainder;
//! - a running total, `5 + 3 = 8 + 2 = 10`;
//! - a percentage read as a fraction, as a plain number, or of what it is added to.

mod comparison;
mod side;
mod token;
mod value;

#[cfg(test)]
mod tests;

use token::{Placed, Token};

/// An equation in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equation<'t> {
    /// As written, from the first number to the last.
    pub text: &'t str,
    /// Whether it is right.
    pub holds: bool,
}

/// The equations of `text`, in order.
#[must_use]
pub fn equations(text: &str) -> Vec<Equation<'_>> {
    let mut found = Vec::new();
    Checker::default().visit(text, |equation| {
        found.push(equation);
        true
    });
    found
}

/// Checks texts one after the other, in memory that is used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Checker {
    tokens: Vec<Placed>,
}

impl Checker {
    /// The first equation of `text` that does not hold.
    pub(super) fn first_wrong<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let mut wrong = None;
        self.visit(text, |equation| {
            wrong = (!equation.holds).then_some(equation.text);
            equation.holds
        });
        wrong
    }

    /// Calls `found` with the equations of `text` until it returns false.
    fn visit<'t>(&mut self, text: &'t str, mut found: impl FnMut(Equation<'t>) -> bool) {
        if !text.contains(['=', '≈', '≃', '≅', '\\']) {
            return;
        }
        token::read(text, &mut self.tokens);
        for at in 0..self.tokens.len() {
            let Token::Equals { rough } = self.tokens[at].token else { continue };
            let Some(left) = side::before(text, &self.tokens, at) else { continue };
            let Some(right) = side::after(text, &self.tokens, at) else { continue };
            let written = &text[self.tokens[left.start].start..self.tokens[right.end - 1].end];
            if let Some(holds) = comparison::holds(text, &self.tokens, left, right, rough) {
                if !found(Equation { text: written, holds }) {
                    return;
                }
            }
        }
    }
}
