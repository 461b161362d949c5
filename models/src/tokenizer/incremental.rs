//! Text of a completion while it grows.

use super::{Tokenizer, TokenizerError};

/// Turns a growing list of token ids into text, never cutting a character.
///
/// Decoding token by token would tear characters that span tokens and lose blanks that a decoder adds or strips at the
/// start. Two overlapping windows are decoded instead, and their difference is emitted once it is valid UTF-8.
///
/// The concatenation of all outputs, [`IncrementalDecoder::finish`] included, equals decoding all ids at once.
#[derive(Clone, Debug, Default)]
pub struct IncrementalDecoder {
    ids: Vec<u32>,
    /// Start of the window whose text is already emitted.
    window: usize,
    /// End of the ids whose text is already emitted.
    emitted: usize,
}

impl IncrementalDecoder {
    /// A decoder at the start of a completion.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next id; returns the text that it completes, possibly empty.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<String, TokenizerError> {
        self.ids.push(id);
        let emitted = tokenizer.decode(&self.ids[self.window..self.emitted])?;
        let whole = tokenizer.decode(&self.ids[self.window..])?;
        // A replacement character at the end may be a character whose remaining bytes are still to come.
        if whole.len() <= emitted.len() || whole.ends_with('\u{FFFD}') {
            return Ok(String::new());
        }
        self.window = self.emitted;
        self.emitted = self.ids.len();
        Ok(whole[whole.floor_char_boundary(emitted.len())..].to_owned())
    }

    /// The held back text: an incomplete character at the very end becomes U+FFFD, as in decoding all at once.
    pub fn finish(&mut self, tokenizer: &Tokenizer) -> Result<String, TokenizerError> {
        let emitted = tokenizer.decode(&self.ids[self.window..self.emitted])?;
        let whole = tokenizer.decode(&self.ids[self.window..])?;
        self.window = self.ids.len();
        self.emitted = self.ids.len();
        Ok(whole.get(emitted.len()..).unwrap_or_default().to_owned())
    }
}
