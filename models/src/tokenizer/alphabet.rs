//! The printable stand-ins for bytes in which byte-level tokenizers spell their vocabulary.
//!
//! Printable bytes of Latin-1 stand for themselves; the others, in order, are the characters from U+0100 on.

/// Whether a byte is its own stand-in.
fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The bytes that are not printable, in order: their stand-ins are U+0100, U+0101 and so on.
fn others() -> impl Iterator<Item = u8> {
    (0..=u8::MAX).filter(|&byte| !is_printable(byte))
}

/// The byte that a character stands for.
fn byte_of(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ 0..=0xFF => Some(code as u8).filter(|&byte| is_printable(byte)),
        code => others().nth((code - 0x100) as usize),
    }
}

/// The bytes that `name` spells, or `None` if it holds a character that stands for no byte.
pub(super) fn bytes_of_name(name: &str) -> Option<Vec<u8>> {
    name.chars().map(byte_of).collect()
}

/// The name that spells `bytes`.
pub(super) fn name_of_bytes(bytes: &[u8]) -> String {
    let stand_in = |&byte: &u8| match others().position(|other| other == byte) {
        Some(index) => char::from_u32(0x100 + index as u32).unwrap_or(char::REPLACEMENT_CHARACTER),
        None => char::from(byte),
    };
    bytes.iter().map(stand_in).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    use super::*;

    #[test]
    fn the_alphabet_is_that_of_the_library() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let name = name_of_bytes(&bytes);
        assert_eq!(name.chars().collect::<HashSet<_>>(), ByteLevel::alphabet().into_iter().collect::<HashSet<_>>());
        assert_eq!(bytes_of_name(&name), Some(bytes));
        assert_eq!(name_of_bytes(b" a\n"), "ĠaĊ");
        assert_eq!(bytes_of_name("a b"), None);
        assert_eq!(bytes_of_name("ńŅ"), None);
    }
}
