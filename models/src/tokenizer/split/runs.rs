//! The expressions of Llama 3 and Qwen 2, which differ in the number of digits that stay together.

use super::classes::{Class, Classes};
use super::{contraction, white_space};

/// Length in bytes of the first piece of `text`, which is not empty, with at most `digits` digits together.
pub(super) fn piece(classes: &Classes, text: &str, digits: usize) -> usize {
    if let Some(length) = contraction(text, true) {
        return length;
    }
    let letters = |start| classes.run(text, start, usize::MAX, |class| class == Class::Letter);
    let Some(first) = text.chars().next() else { return 0 };
    let (class, after) = (classes.of(first), first.len_utf8());
    match class {
        Class::Letter => return letters(after),
        Class::Number => return classes.run(text, 0, digits, |class| class == Class::Number),
        // `[^\r\n\p{L}\p{N}]?\p{L}+`: a word takes one blank or symbol before it.
        Class::Blank | Class::Symbol if classes.of_first(&text[after..]) == Some(Class::Letter) => {
            return letters(after);
        }
        Class::Blank | Class::Symbol | Class::LineEnd => {}
    }
    // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
    let body = usize::from(first == ' ');
    let symbols = classes.run(text, body, usize::MAX, |class| class == Class::Symbol);
    if symbols > body {
        return classes.run(text, symbols, usize::MAX, |class| class == Class::LineEnd);
    }
    // `\s*[\r\n]+`: up to the last line end of the white space.
    let run = classes.run(text, 0, usize::MAX, |class| matches!(class, Class::Blank | Class::LineEnd));
    match text[..run].rfind(['\r', '\n']) {
        Some(line_end) => line_end + 1,
        None => white_space(text, run),
    }
}
