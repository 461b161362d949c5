//! The parts of Python's string semantics that the published grader's outcome depends on.

/// The zero of every run of ten decimal digits (general category Nd) in Unicode 14, the version of Python 3.11.
const ZEROS: [char; 66] = [
    '\u{30}',
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{ff10}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{16a60}',
    '\u{16ac0}',
    '\u{16b50}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e950}',
    '\u{1fbf0}',
];

/// The value of a decimal digit of any script: what `\d` matches in a pattern over `str`.
pub(super) fn digit(character: char) -> Option<u32> {
    if character.is_ascii() {
        return character.to_digit(10);
    }
    let run = ZEROS.partition_point(|zero| *zero <= character);
    let value = u32::from(character) - u32::from(*ZEROS.get(run.checked_sub(1)?)?);
    (value < 10).then_some(value)
}

/// What `\s` matches: white space and the four ASCII information separators.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// The end of the run of digits that begins at byte `from`; `from` itself where there is none.
pub(super) fn digits_end(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.find(|character| digit(character).is_none()).unwrap_or(rest.len())
}

/// All matches of `-?\d+(?:\.\d+)?`, from left to right.
pub(super) fn numbers(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        let digits = at + usize::from(character == '-');
        let whole = digits_end(text, digits);
        if whole == digits {
            at += character.len_utf8();
            continue;
        }
        let end = fraction_end(text, whole);
        found.push(&text[at..end]);
        at = end;
    }
    found
}

/// The end of a full stop with digits after it at byte `from`; `from` itself where there is none.
pub(super) fn fraction_end(text: &str, from: usize) -> usize {
    let end = if text[from..].starts_with('.') { digits_end(text, from + 1) } else { from };
    if end > from + 1 { end } else { from }
}

/// `float(text)`: outer white space (without the information separators), digits of any script and single underscores
/// between digits are allowed.
pub(super) fn float(text: &str) -> Option<f64> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.trim().chars().peekable();
    while let Some(character) = characters.next() {
        if character == '_' {
            let after_digit = plain.ends_with(|last: char| last.is_ascii_digit());
            let before_digit = characters.peek().is_some_and(|next| digit(*next).is_some());
            if !(after_digit && before_digit) {
                return None;
            }
            continue;
        }
        plain.push(digit(character).and_then(|value| char::from_digit(value, 10)).unwrap_or(character));
    }
    plain.parse().ok()
}
