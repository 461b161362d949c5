//! Numbers, operators and equal signs in running text.

/// A piece of text as equations see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token {
    Number(Number),
    Operator(Operator),
    /// `=`; rough for `≈` and for "= about".
    Equals {
        rough: bool,
    },
    /// A word of letters alone: a unit, or plain text.
    Word,
    /// An opening bracket, and where the closing one is, if nothing but an expression can stand between them.
    Open(Option<usize>),
    /// A closing bracket, and where the opening one is.
    Close(Option<usize>),
    /// A line break.
    Line,
    /// Punctuation: what stands on either side belongs to different expressions.
    Break,
    /// Something that may change the value of what it touches, such as a variable, a date or a root.
    Opaque,
}

/// A number as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    pub(super) value: f64,
    /// Digits after the point.
    pub(super) decimals: u32,
    pub(super) percent: bool,
    pub(super) currency: bool,
}

/// What joins two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

/// A token and its bytes in the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Reads `text` into `tokens`, in one pass.
pub(super) fn read(text: &str, tokens: &mut Vec<Placed>) {
    tokens.clear();
    let mut reader =
        Reader { text, bytes: text.as_bytes(), at: 0, line_start: true, negative: false, currency: false, tokens };
    while reader.at < reader.bytes.len() {
        reader.step();
    }
    match_brackets(tokens);
}

/// Tells every bracket where its partner is; brackets around an equal sign have none.
fn match_brackets(tokens: &mut [Placed]) {
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut equals = 0;
    for at in 0..tokens.len() {
        match tokens[at].token {
            Token::Equals { .. } => equals += 1,
            // Brackets are closed within their line, so that one that is never closed harms no more than that.
            Token::Line => open.clear(),
            Token::Open(_) => open.push((at, equals)),
            Token::Close(_) => {
                if let Some((start, before)) = open.pop().filter(|(_, before)| *before == equals) {
                    debug_assert_eq!(before, equals);
                    tokens[start].token = Token::Open(Some(at));
                    tokens[at].token = Token::Close(Some(start));
                }
            }
            _ => {}
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    line_start: bool,
    /// A sign that belongs to the next number.
    negative: bool,
    /// A currency sign that belongs to the next number.
    currency: bool,
    tokens: &'t mut Vec<Placed>,
}

impl Reader<'_> {
    fn step(&mut self) {
        let byte = self.bytes[self.at];
        let at_line_start = self.line_start;
        self.line_start &= matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match byte {
            b' ' | b'\t' | b'\r' | b'`' => self.at += 1,
            b'\n' => {
                self.push(Token::Line, 1);
                self.line_start = true;
            }
            b'0'..=b'9' => self.number(at_line_start),
            b'.' if self.digit_at(1) && !self.after_letter() => self.number(false),
            b'a'..=b'z' | b'A'..=b'Z' => self.word(),
            b'+' => self.push(Token::Operator(Operator::Add), 1),
            b'-' => self.minus(1, at_line_start),
            b'*' => self.star(at_line_start),
            b'/' if self.after_letter() && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_alphabetic) => {
                self.at += 1
            }
            b'/' => self.push(Token::Operator(Operator::Divide), 1),
            b'^' => self.push(Token::Operator(Operator::Power), 1),
            b'=' => self.equals(),
            b'(' | b'[' => self.push(Token::Open(None), 1),
            b')' | b']' => self.push(Token::Close(None), 1),
            b'$' => self.currency_sign(1),
            b'~' => self.about(1),
            b',' | b';' | b':' | b'.' | b'!' | b'?' | b'"' | b'\'' | b'|' | b'<' | b'>' => self.push(Token::Break, 1),
            b'\\' => self.command(),
            byte if byte.is_ascii() => self.push(Token::Opaque, 1),
            _ => self.beyond_ascii(at_line_start),
        }
    }

    fn push(&mut self, token: Token, length: usize) {
        self.tokens.push(Placed { token, start: self.at, end: self.at + length });
        self.at += length;
        (self.negative, self.currency) = (false, false);
    }

    fn last(&self) -> Option<Token> {
        self.tokens.last().map(|placed| placed.token)
    }

    fn digit_at(&self, offset: usize) -> bool {
        self.bytes.get(self.at + offset).is_some_and(u8::is_ascii_digit)
    }

    fn after_letter(&self) -> bool {
        self.text[..self.at].ends_with(char::is_alphabetic)
    }

    /// Whether the next thing after blanks from `offset` on is a number or an opening bracket.
    fn number_follows(&self, offset: usize) -> bool {
        let rest = self.bytes[self.at + offset..].trim_ascii_start();
        let rest = rest.strip_prefix(b"$").unwrap_or(rest);
        rest.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'(')
            || (rest.first() == Some(&b'.') && rest.get(1).is_some_and(u8::is_ascii_digit))
    }

    fn digits_end(&self, from: usize) -> usize {
        from + self.bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn number(&mut self, at_line_start: bool) {
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
        let is_label = at_line_start && end == whole && matches!(next, b'.' | b')') && after == b' ';
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
        let is_unit =
            length > 1 && unit.iter().all(u8::is_ascii_alphabetic) && !matches!(unit, b"st" | b"nd" | b"rd" | b"th");
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

    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let between_digits = self.bytes[..self.at].last().is_some_and(u8::is_ascii_digit) && self.number_follows(1);
        if between_digits && matches!(self.bytes[self.at], b'x' | b'X') {
            return self.push(Token::Operator(Operator::Multiply), 1);
        }
        let length = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(rest.len());
        let word = &rest[..length];
        if !word.chars().all(char::is_alphabetic) {
            return self.push(Token::Opaque, length);
        }
        if length <= 13 && word.is_ascii() {
            if let Some((token, length)) = self.operator_word(word) {
                return self.push(token, length);
            }
            if self.is_roughly(word) {
                self.about(length);
                return;
            }
        }
        self.push(Token::Word, length);
    }

    fn is_roughly(&self, word: &str) -> bool {
        matches!(self.last(), Some(Token::Equals { .. }))
            && ["about", "approximately", "around", "roughly", "approx"]
                .iter()
                .any(|rough| word.eq_ignore_ascii_case(rough))
    }

    /// An operator in words, with a number behind it; the bytes it takes.
    fn operator_word(&self, word: &str) -> Option<(Token, usize)> {
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        let by = |operator| {
            let follows = self.text[self.at + word.len()..].starts_with(" by ") && self.number_follows(word.len() + 4);
            follows.then_some((Token::Operator(operator), word.len() + 3))
        };
        let after_operand = matches!(self.last(), Some(Token::Number(_) | Token::Close(_) | Token::Word));
        if !after_operand {
            return None;
        }
        let operator = match word.len() {
            1 if is("x") => Operator::Multiply,
            2 if is("of") && self.after_share() => Operator::Multiply,
            4 if is("plus") => Operator::Add,
            5 if is("times") => Operator::Multiply,
            5 if is("minus") => Operator::Subtract,
            7 if is("divided") => return by(Operator::Divide),
            10 if is("multiplied") => return by(Operator::Multiply),
            _ => return None,
        };
        self.number_follows(word.len()).then_some((Token::Operator(operator), word.len()))
    }

    /// Whether the last tokens are a percentage or a fraction.
    fn after_share(&self) -> bool {
        match self.tokens.as_slice() {
            [.., Placed { token: Token::Operator(Operator::Divide), .. }, Placed { token: Token::Number(_), .. }] => {
                true
            }
            [.., Placed { token: Token::Number(number), .. }] => number.percent,
            _ => false,
        }
    }

    fn minus(&mut self, length: usize, at_line_start: bool) {
        let next = self.bytes.get(self.at + length).copied().unwrap_or(b' ');
        if matches!(next, b'>' | b'-') {
            let run = self.bytes[self.at..].iter().take_while(|byte| matches!(byte, b'-' | b'>')).count().max(length);
            return self.push(Token::Break, run);
        }
        if at_line_start && next == b' ' {
            self.at += length;
            self.line_start = true;
            return;
        }
        let is_binary = matches!(self.last(), Some(Token::Number(_) | Token::Close(_) | Token::Word | Token::Opaque));
        if !is_binary && (next.is_ascii_digit() || matches!(next, b'$' | b'.')) {
            self.at += length;
            self.negative = true;
            return;
        }
        let is_hyphen = self.after_letter() && next.is_ascii_alphanumeric();
        self.push(if is_hyphen { Token::Opaque } else { Token::Operator(Operator::Subtract) }, length);
    }

    fn star(&mut self, at_line_start: bool) {
        let next = self.bytes.get(self.at + 1).copied().unwrap_or(b' ');
        if next == b'*' {
            let before_digit = self.digit_at(2) && self.bytes[..self.at].last().is_some_and(u8::is_ascii_digit);
            // Two stars are a power between digits, else the marks of bold text.
            return if before_digit { self.push(Token::Operator(Operator::Power), 2) } else { self.at += 2 };
        }
        let after_operand =
            matches!(self.last(), Some(Token::Number(_) | Token::Close(_) | Token::Word | Token::Opaque));
        if (at_line_start && next == b' ') || !after_operand {
            self.at += 1;
            self.line_start = at_line_start;
            return;
        }
        self.push(Token::Operator(Operator::Multiply), 1);
    }

    fn equals(&mut self) {
        let before = self.bytes[..self.at].last().copied().unwrap_or(b' ');
        let next = self.bytes.get(self.at + 1).copied().unwrap_or(b' ');
        if next == b'>' {
            self.push(Token::Break, 2);
        } else if matches!(before, b'!' | b'<' | b'>') {
            self.push(Token::Break, 1);
        } else {
            let length = self.bytes[self.at..].iter().take_while(|byte| **byte == b'=').count();
            self.push(Token::Equals { rough: false }, length);
        }
    }

    /// Something that says "about" right after an equal sign makes it a rough one.
    fn about(&mut self, length: usize) {
        match self.tokens.last_mut().map(|placed| &mut placed.token) {
            Some(Token::Equals { rough }) => {
                *rough = true;
                self.at += length;
            }
            _ => self.push(Token::Opaque, length),
        }
    }

    fn currency_sign(&mut self, length: usize) {
        let rest = &self.bytes[self.at + length..];
        let rest = rest.trim_ascii_start();
        let number = rest.strip_prefix(b"-").unwrap_or(rest).first();
        self.at += length;
        // A sign behind its number needs no token.
        self.currency = number.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
    }

    /// A LaTeX command.
    fn command(&mut self) {
        let rest = &self.bytes[self.at + 1..];
        let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let length = 1 + letters;
        match &rest[..letters] {
            b"times" | b"cdot" => self.push(Token::Operator(Operator::Multiply), length),
            b"div" => self.push(Token::Operator(Operator::Divide), length),
            b"approx" => self.push(Token::Equals { rough: true }, length),
            b"" => match rest.first() {
                Some(b'$') => self.at += 1,
                Some(b'(' | b')' | b'[' | b']' | b'\\') => self.push(Token::Break, 2),
                Some(b',' | b' ' | b';' | b'%') => self.at += 2,
                _ => self.push(Token::Opaque, 1),
            },
            _ => self.push(Token::Opaque, length),
        }
    }

    fn beyond_ascii(&mut self, at_line_start: bool) {
        let Some(character) = self.text[self.at..].chars().next() else { return };
        let length = character.len_utf8();
        match character {
            '×' | '·' | '∙' | '⋅' | '✕' | '✖' => self.push(Token::Operator(Operator::Multiply), length),
            '÷' | '∕' | '⁄' => self.push(Token::Operator(Operator::Divide), length),
            '−' | '–' => self.minus(length, at_line_start),
            '≈' | '≃' | '≅' => self.push(Token::Equals { rough: true }, length),
            '£' | '€' => self.currency_sign(length),
            '°' | '\u{a0}' | '\u{200b}' | '\u{202f}' | '\u{feff}' => self.at += length,
            '•' | '—' | '…' | '“' | '”' | '‘' | '’' | '→' | '⇒' | '∴' => {
                self.push(Token::Break, length)
            }
            letter if letter.is_alphabetic() => self.word(),
            _ => self.push(Token::Opaque, length),
        }
    }
}
