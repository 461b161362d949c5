//! Step splitting: text in any chunks in, finished steps, the answer marker and the answer out.

use crate::contract::{ReasoningContract, StepRule};

/// What a [`StepSplitter`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A finished step of the rationale, without white space around it.
    Step(String),
    /// The answer marker: what follows is the answer.
    Marker,
}

/// Splits a completion into steps and answer while it is being written.
///
/// The result depends on the text alone, never on how it was cut into chunks: a step is only emitted once no later text
/// could turn its end into a part of the answer marker.
///
/// ```
/// use pupil_models::contract::StepRule;
/// use pupil_models::step::{Piece, StepSplitter};
///
/// let mut splitter = StepSplitter::new(StepRule::Line, Some("-->"));
/// assert_eq!(splitter.push(" two and two\nmake fo"), [Piece::Step("two and two".into())]);
/// assert_eq!(splitter.push("ur --"), []);
/// assert_eq!(splitter.push("> 4"), [Piece::Step("make four".into()), Piece::Marker]);
/// splitter.finish();
/// assert_eq!(splitter.answer(), Some(" 4"));
/// ```
#[derive(Clone, Debug)]
pub struct StepSplitter {
    rule: StepRule,
    marker: Option<String>,
    /// Rationale text that is not part of a finished step yet.
    pending: String,
    /// Text after the marker, once it was met.
    answer: Option<String>,
}

impl StepSplitter {
    /// A splitter for completions whose answer follows `marker`; without a marker everything is the answer.
    #[must_use]
    pub fn new(rule: StepRule, marker: Option<&str>) -> Self {
        let answer = if marker.is_none() { Some(String::new()) } else { None };
        Self { rule, marker: marker.map(str::to_owned), pending: String::new(), answer }
    }

    /// The splitter that a contract asks for.
    #[must_use]
    pub fn for_contract(contract: &ReasoningContract) -> Self {
        Self::new(contract.step_rule, contract.marker())
    }

    /// Takes the next chunk and returns what it finished.
    pub fn push(&mut self, chunk: &str) -> Vec<Piece> {
        let Some(marker) = self.marker.as_deref().filter(|_| self.answer.is_none()) else {
            self.answer.get_or_insert_default().push_str(chunk);
            return Vec::new();
        };
        self.pending.push_str(chunk);
        let mut pieces = Vec::new();
        if let Some(start) = self.pending.find(marker) {
            self.answer = Some(self.pending.split_off(start + marker.len()));
            self.pending.truncate(start);
            self.drain_steps(self.pending.len(), &mut pieces);
            self.flush_step(&mut pieces);
            pieces.push(Piece::Marker);
        } else {
            let settled = self.pending.len() - held_back(&self.pending, marker);
            self.drain_steps(settled, &mut pieces);
        }
        pieces
    }

    /// Ends the text: returns the step that was under way, if the marker never came.
    pub fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.drain_steps(self.pending.len(), &mut pieces);
        self.flush_step(&mut pieces);
        pieces
    }

    /// The text after the marker so far; `None` before the marker.
    #[must_use]
    pub fn answer(&self) -> Option<&str> {
        self.answer.as_deref()
    }

    /// Emits the steps that end within the first `settled` bytes of the pending text.
    fn drain_steps(&mut self, settled: usize, pieces: &mut Vec<Piece>) {
        let mut start = 0;
        while let Some(length) = step_end(self.rule, &self.pending[start..settled]) {
            push_step(&self.pending[start..start + length], pieces);
            start += length;
        }
        self.pending.drain(..start);
    }

    fn flush_step(&mut self, pieces: &mut Vec<Piece>) {
        push_step(&std::mem::take(&mut self.pending), pieces);
    }
}

fn push_step(text: &str, pieces: &mut Vec<Piece>) {
    let step = text.trim();
    if !step.is_empty() {
        pieces.push(Piece::Step(step.to_owned()));
    }
}

/// Length of the longest end of `text` that could be the beginning of `literal`.
///
/// It is what a streaming search must hold back: everything before it can no longer become part of a match.
#[must_use]
pub fn held_back(text: &str, literal: &str) -> usize {
    let longest = literal.len().saturating_sub(1).min(text.len());
    (1..=longest)
        .rev()
        .find(|&length| text.as_bytes()[text.len() - length..] == literal.as_bytes()[..length])
        .unwrap_or(0)
}

/// Bytes up to and including the first step end in `text`; the end shows only with the character after it.
fn step_end(rule: StepRule, text: &str) -> Option<usize> {
    match rule {
        StepRule::Line => text.find('\n').map(|newline| newline + 1),
        StepRule::Sentence => sentence_end(text),
    }
}

fn sentence_end(text: &str) -> Option<usize> {
    let mut ended = false;
    for (index, character) in text.char_indices() {
        match character {
            '\n' => return Some(index + 1),
            // `1.` at the start is the number of a list item, not a sentence.
            '.' => ended = !text[..index].trim().bytes().all(|byte| byte.is_ascii_digit()),
            '!' | '?' => ended = true,
            '"' | '\'' | ')' | ']' | '”' | '’' => {}
            _ if character.is_whitespace() && ended => return Some(index + character.len_utf8()),
            _ => ended = false,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(rule: StepRule, marker: Option<&str>, chunks: &[&str]) -> (Vec<Piece>, Option<String>) {
        let mut splitter = StepSplitter::new(rule, marker);
        let mut pieces: Vec<Piece> = chunks.iter().flat_map(|chunk| splitter.push(chunk)).collect();
        pieces.extend(splitter.finish());
        (pieces, splitter.answer().map(str::to_owned))
    }

    fn steps(pieces: &[Piece]) -> Vec<&str> {
        pieces
            .iter()
            .filter_map(|piece| if let Piece::Step(text) = piece { Some(text.as_str()) } else { None })
            .collect()
    }

    #[test]
    fn sentences_keep_decimals_quotes_and_list_numbers_whole() {
        let text = "1. It costs 3.50 dollars. He said \"stop.\" Then 2. more? Yes";
        let (pieces, _) = split(StepRule::Sentence, Some("-->"), &[text]);
        assert_eq!(steps(&pieces), ["1. It costs 3.50 dollars.", "He said \"stop.\"", "Then 2.", "more?", "Yes"]);
    }

    #[test]
    fn only_the_first_marker_counts() {
        let (pieces, answer) = split(StepRule::Line, Some("-->"), &["a\nb --> 1 --> 2"]);
        assert_eq!(pieces, [Piece::Step("a".into()), Piece::Step("b".into()), Piece::Marker]);
        assert_eq!(answer.as_deref(), Some(" 1 --> 2"));
    }

    #[test]
    fn without_a_marker_everything_is_the_answer() {
        assert_eq!(split(StepRule::Line, None, &["ye", "s\n"]), (vec![], Some("yes\n".into())));
    }

    #[test]
    fn a_text_that_never_reaches_the_marker_is_all_steps() {
        let (pieces, answer) = split(StepRule::Line, Some("The answer is"), &["one\nThe ans"]);
        assert_eq!(steps(&pieces), ["one", "The ans"]);
        assert_eq!(answer, None);
    }

    proptest! {
        #[test]
        fn output_is_independent_of_chunking(
            text in "(a|é|b\\. |\n| --|-->|-|!\\) |The answer|The answer is| ){0,40}",
            cuts in proptest::collection::vec(0usize..200, 0..12),
            sentence in any::<bool>(),
            arrow in any::<bool>(),
        ) {
            let rule = if sentence { StepRule::Sentence } else { StepRule::Line };
            let marker = if arrow { "-->" } else { "The answer is" };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(split(rule, Some(marker), &chunks), split(rule, Some(marker), &[&text]));
        }
    }
}
