//! GPT-2's `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.

use super::classes::{Class, Classes};
use super::{contraction, white_space};

/// Length in bytes of the first piece of `text`, which is not empty.
pub(super) fn piece(classes: &Classes, text: &str) -> usize {
    if let Some(length) = contraction(text, false) {
        return length;
    }
    let body = usize::from(text.starts_with(' '));
    match classes.of_first(&text[body..]) {
        Some(class @ (Class::Letter | Class::Number | Class::Symbol)) => {
            classes.run(text, body, usize::MAX, |other| other == class)
        }
        _ => {
            let run = classes.run(text, 0, usize::MAX, |class| matches!(class, Class::Blank | Class::LineEnd));
            white_space(text, run)
        }
    }
}
