//! Greedy completions: libtorch's own, and whether a form writes the same.

use std::ops::Range;

use pupil_models::bundle::{GreedyAgreement, Spread};
use pupil_runtime::backend::Backend;
use pupil_runtime::{Engine, GenerateError, RationaleExhausted, Request, RequestBuilder};

use crate::export::ExportError;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// A question's prompt with the completion that libtorch writes greedily.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GreedyPath {
    question: String,
    ids: Vec<u32>,
    prompt_tokens: usize,
    /// Whether the completion is known to its end.
    whole: bool,
}

/// What an engine wrote greedily, and what libtorch chose at the same positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft<'a> {
    pub(super) question: &'a str,
    /// Tokens of the prompt.
    pub(super) prompt: &'a [u32],
    /// Tokens that the engine wrote, the end token excluded.
    pub(super) written: &'a [u32],
    /// What the engine chose after them: the end token, unless it was stopped.
    pub(super) last: u32,
    /// libtorch's choice for every token written, and after the last.
    pub(super) chosen: &'a [u32],
    /// Tokens that end a completion.
    pub(super) ends: &'a [u32],
}

impl Draft<'_> {
    /// libtorch's own completion, as far as it is known, and after how many tokens it parts from the engine's, if it does.
    ///
    /// Where the two choose the same up to a position, libtorch has seen the tokens that it would have written itself; so its
    /// completion is the engine's as long as they agree, by induction. Where it first chooses another token its completion goes
    /// on with that one, and how is not known.
    pub(super) fn path(&self) -> (GreedyPath, Option<usize>) {
        let mut common = common_tokens(self.written, self.chosen);
        let mut whole = common == self.written.len();
        let mut parted = (!whole).then_some(common);
        let ends = |token: u32| self.ends.contains(&token);
        if whole && ends(self.last) && !ends(self.chosen[common]) {
            (whole, parted) = (false, Some(common));
        }
        if !whole && ends(self.chosen[common]) {
            whole = true;
        }
        let mut ids = self.prompt.to_vec();
        if !whole {
            // The token that libtorch prefers is part of what it writes.
            common += 1;
        }
        ids.extend(&self.chosen[..common]);
        let path = GreedyPath { question: self.question.to_owned(), ids, prompt_tokens: self.prompt.len(), whole };
        (path, parted)
    }
}

impl GreedyPath {
    /// The question.
    #[must_use]
    pub fn question(&self) -> &str {
        &self.question
    }

    /// Tokens of prompt and completion.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Length of the prompt.
    #[must_use]
    pub fn prompt_tokens(&self) -> usize {
        self.prompt_tokens
    }

    /// Positions whose next token the student chooses.
    #[must_use]
    pub fn written(&self) -> Range<usize> {
        self.prompt_tokens.saturating_sub(1)..self.ids.len()
    }

    /// The completion.
    fn completion(&self) -> &[u32] {
        &self.ids[self.prompt_tokens..]
    }

    /// Tokens that `found` shares with the completion before they part; `None` if they do not part.
    fn parts_at(&self, found: &[u32]) -> Option<usize> {
        let expected = self.completion();
        let common = common_tokens(expected, found);
        let is_equal = common == expected.len() && (common == found.len() || !self.whole);
        (!is_equal).then_some(common)
    }
}

fn common_tokens(left: &[u32], right: &[u32]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// Lets `engine` complete every prompt greedily and compares with libtorch's completions.
///
/// # Errors
/// A completion fails; somebody asked to stop.
pub fn agreement<B: Backend>(
    engine: &mut Engine<B>,
    paths: &[GreedyPath],
    interrupt: &Interrupt,
) -> Result<GreedyAgreement, ExportError> {
    let mut parted = Vec::new();
    let bar = Progress::new("greedy", "prompts", paths.len() as u64, 0);
    for path in paths {
        if interrupt.is_requested() {
            return Err(ExportError::Interrupted);
        }
        parted.extend(path.parts_at(&complete(engine, &path.question)?));
        bar.advance();
    }
    bar.finish();
    Ok(of_parted(paths.len(), parted))
}

/// The agreement of `completions`, of which those that differ have so many tokens in common.
pub(super) fn of_parted(completions: usize, parted: Vec<usize>) -> GreedyAgreement {
    GreedyAgreement { completions, equal: completions - parted.len(), common_tokens: Spread::of(parted) }
}

/// What `engine` writes greedily about `question`, the end token excluded.
pub(super) fn complete<B: Backend>(engine: &mut Engine<B>, question: &str) -> Result<Vec<u32>, ExportError> {
    // Truncated, not forced: a forced answer marker is no greedy choice.
    let request: Request =
        RequestBuilder::default().on_rationale_exhausted(RationaleExhausted::Truncate).build().unwrap_or_default();
    let mut write = || {
        let mut generation = engine.stream(question, &request)?;
        for event in generation.by_ref() {
            event?;
        }
        Ok(generation.token_ids())
    };
    write().map_err(|source: GenerateError| ExportError::Generate { question: question.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path of an engine that wrote 3 4 5 after the prompt 1 2 and then chose `last`, where 0 ends a completion.
    fn path(last: u32, chosen: &[u32]) -> (GreedyPath, Option<usize>) {
        Draft { question: "?", prompt: &[1, 2], written: &[3, 4, 5], last, chosen, ends: &[0] }.path()
    }

    #[test]
    fn a_path_is_the_draft_as_far_as_the_reference_agrees() {
        for (last, chosen, ids, whole, parted) in [
            (0, [3, 4, 5, 0], [1, 2, 3, 4, 5].as_slice(), true, None),
            // Stopped by its budget: what would have come next is nobody's business.
            (7, [3, 4, 5, 8], &[1, 2, 3, 4, 5], true, None),
            (0, [3, 9, 7, 0], &[1, 2, 3, 9], false, Some(1)),
            // libtorch goes on where the engine ended, and ends where the engine went on.
            (0, [3, 4, 5, 8], &[1, 2, 3, 4, 5, 8], false, Some(3)),
            (0, [3, 0, 7, 0], &[1, 2, 3], true, Some(1)),
        ] {
            let (path, found) = path(last, &chosen);
            assert_eq!((path.ids(), path.whole, found), (ids, whole, parted), "{chosen:?}");
        }
    }

    #[test]
    fn completions_part_where_their_tokens_or_their_lengths_do() {
        let (whole, _) = path(0, &[3, 4, 5, 0]);
        assert_eq!(whole.parts_at(&[3, 4, 5]), None);
        assert_eq!(whole.parts_at(&[3, 4, 6]), Some(2));
        assert_eq!(whole.parts_at(&[3]), Some(1), "ends too soon");
        assert_eq!(whole.parts_at(&[3, 4, 5, 6]), Some(3), "goes on");
        assert_eq!(whole.parts_at(&[]), Some(0));
        let (known_in_part, _) = path(0, &[3, 9, 7, 0]);
        assert_eq!(known_in_part.parts_at(&[3, 9, 8]), None, "beyond what is known");
        assert_eq!(known_in_part.parts_at(&[3]), Some(1));
    }

    #[test]
    fn the_agreement_counts_and_tells_where() {
        let agreement = of_parted(5, vec![8, 2]);
        assert_eq!((agreement.completions, agreement.equal), (5, 3));
        let spread = agreement.common_tokens.unwrap();
        assert_eq!((spread.least, spread.median, spread.most), (2, 2, 8));
        assert_eq!(of_parted(4, vec![]).common_tokens, None);
    }
}
