//! Numbers as people write them.

use super::{Number, Reader, Token};

impl Reader<'_> {
    pub(super) fn number(&mut self, at_line_start: bool) {
        let start = self.at;
        let whole = self.grouped_end();
        let has_point = self.bytes.get(whole) == Some(&b'.');
        let end = if has_point && self.bytes.get(whole + 1).is_some_and(u8::is_ascii_digit) {
            self.digits_end(whole + 1)
        } else {
            whole
        };
        let next = self.bytes.get(end).copied().unwrap_or(b' ');
        let after = self.bytes.get(end + 1).copied().unwrap_or(b' ');
        let is_result = || {
            let before = self.tokens.iter().rev().find(|placed| placed.token != Token::Line);
            before.is_some_and(|placed| matches!(placed.token, Token::Equals { .. }))
        };
        let is_marked = matches!(next, b'.' | b')') && self.bytes.get(end + 1) == Some(&b' ');
        let is_label = at_line_start && end == whole && is_marked && !is_result();
        if is_label {
            self.at = end + 1;
            self.line_start = true;
            return;
        }
        if matches!(next, b'.' | b':') && after.is_ascii_digit() {
            // A time, a ratio, a version.
            let part = |byte: &&u8| byte.is_ascii_digit() || matches!(**byte, b'.' | b':');
            let length = self.bytes[start..].iter().take_while(part).count();
            return self.push(Token::Opaque, length);
        }
        let Some(mut number) = self.value(start, end) else { return self.push(Token::Opaque, end - start) };
        let blank = usize::from(next == b' ' && after == b'%');
        if self.bytes.get(end + blank) == Some(&b'%') {
            number.percent = true;
            return self.push(Token::Number(number), end + blank + 1 - start);
        }
        if !next.is_ascii_alphabetic() || (matches!(next, b'x' | b'X') && (after.is_ascii_digit() || after == b'$')) {
            return self.push(Token::Number(number), end - start);
        }
        self.number_with_unit(number, end);
    }

    /// A number with letters right behind it: a unit, unless they may be a variable or make it an ordinal.
    fn number_with_unit(&mut self, number: Number, end: usize) {
        let length = self.bytes[end..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let unit = &self.bytes[end..end + length];
        let is_unit = length > 1
            && !matches!(unit[0], b'x' | b'X')
            && unit.iter().all(u8::is_ascii_alphabetic)
            && !matches!(unit, b"st" | b"nd" | b"rd" | b"th");
        if is_unit {
            self.push(Token::Number(number), end - self.at);
            self.push(Token::Word, length);
        } else {
            self.push(Token::Opaque, end + length - self.at);
        }
    }

    /// The end of the whole part, with commas before groups of three digits.
    fn grouped_end(&self) -> usize {
        let mut end = self.digits_end(self.at);
        if end - self.at > 3 {
            return end;
        }
        while self.bytes.get(end) == Some(&b',') && self.digits_end(end + 1) == end + 4 {
            end += 4;
        }
        end
    }

    fn value(&self, start: usize, end: usize) -> Option<Number> {
        let written = &self.text[start..end];
        let value: f64 =
            if written.contains(',') { written.replace(',', "").parse().ok()? } else { written.parse().ok()? };
        let decimals = written.split_once('.').map_or(0, |(_, fraction)| fraction.len() as u32);
        let value = if self.negative { -value } else { value };
        value.is_finite().then_some(Number { value, decimals, percent: false, currency: self.currency })
    }
}
