//! The first rung: the float32 graph computes what libtorch computes, logits and greedy completions.

use pupil_models::bundle::{BundleError, Parity, Rung};
use pupil_models::format::WeightFormat;
use pupil_runtime::Engine;
use pupil_runtime::backend::Backend;

use super::greedy::{Draft, complete, of_parted};
use super::lockstep::{Sums, read_both};
use super::{GreedyPath, Reference, argmax};
use crate::export::ExportError;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Accepted absolute difference of a float32 logit, however small the logits are (row R19 of the reliability plan).
pub const MAX_LOGIT_DIFFERENCE: f32 = 1e-4;

/// Accepted difference relative to the largest logit, for logits so large that float32 itself is coarser than
/// [`MAX_LOGIT_DIFFERENCE`].
///
/// Both sides add the same products in another order. A sum of `n` products rounds by about `√n · u` of the product of the
/// norms, `u = 2⁻²⁴` (Higham and Mary 2019), which for the few hundred to few thousand terms of a head is 1e-6 to 3e-6: the
/// last float32 bit of logits of 100 alone is 8e-6, and an honest pair of sums differs by 2e-4 there.
pub const RELATIVE_LOGIT_DIFFERENCE: f32 = 2e-6;

/// What the float32 graph was found to compute, and what every other form is measured on.
#[derive(Clone, Debug)]
pub struct Proved {
    /// The numbers of the float32 graph; its ladder has one row.
    pub parity: Parity,
    /// libtorch's own completions.
    pub paths: Vec<GreedyPath>,
}

/// Compares the float32 graph in `engine`, of `bytes` bytes, with `reference` on the prompts of `questions`.
///
/// The engine completes each prompt greedily, with its key-value cache, token by token. libtorch then computes the logits
/// of prompt and completion in one pass without a cache. If its most likely token at every position of the completion is
/// the one that the engine wrote, libtorch's own greedy completion is the same, by induction over the positions.
///
/// # Errors
/// A forward pass fails or computes something that is not a number, or there is no question; a difference is a result, not
/// an error.
pub fn compare<B: Backend, R: Reference>(
    engine: &mut Engine<B>,
    bytes: u64,
    reference: &R,
    questions: &[String],
    interrupt: &Interrupt,
) -> Result<Proved, ExportError> {
    if questions.is_empty() {
        return Err(ExportError::NoQuestions);
    }
    let mut sums = Sums::default();
    let mut paths = Vec::with_capacity(questions.len());
    let mut parted = Vec::new();
    let bar = Progress::new("parity", "prompts", questions.len() as u64, 0);
    for question in questions {
        if interrupt.is_requested() {
            return Err(ExportError::Interrupted);
        }
        let (path, parts_at) = compare_one(engine, reference, question, &mut sums)?;
        paths.push(path);
        parted.extend(parts_at);
        bar.advance();
    }
    bar.finish();
    Ok(Proved { parity: parity(&sums, parted, questions.len(), bytes), paths })
}

fn parity(sums: &Sums, parted: Vec<usize>, prompts: usize, bytes: u64) -> Parity {
    let greedy = of_parted(prompts, parted);
    let (of_prompts, of_completions) = (sums.prompts.error(), sums.completions.error());
    Parity {
        prompts,
        positions: sums.positions(),
        max_logit_difference: of_prompts.max.max(of_completions.max),
        max_logit: Some(sums.prompts.largest().max(sums.completions.largest())),
        equal_greedy_completions: greedy.equal,
        ladder: vec![Rung {
            form: WeightFormat::Float32.to_string(),
            bytes,
            prompts: of_prompts,
            completions: of_completions,
            greedy,
            answers: None,
        }],
        gate: None,
    }
}

fn compare_one<B: Backend, R: Reference>(
    engine: &mut Engine<B>,
    reference: &R,
    question: &str,
    sums: &mut Sums,
) -> Result<(GreedyPath, Option<usize>), ExportError> {
    let prompt = engine.contract().prompt(question);
    let prompt = engine.tokenizer().encode(&prompt).map_err(BundleError::from)?;
    let written = complete(engine, question)?;
    let ids = [prompt.as_slice(), &written].concat();
    let (mut chosen, mut last) = (Vec::with_capacity(written.len() + 1), 0);
    read_both(engine, reference, question, &ids, |position, expected, found| {
        sums.add(position, prompt.len(), expected, found);
        if position + 1 >= prompt.len() {
            chosen.push(argmax(expected));
            last = argmax(found);
        }
    })?;
    let ends = &engine.config().eos_ids;
    Ok(Draft { question, prompt: &prompt, written: &written, last, chosen: &chosen, ends }.path())
}

/// Largest accepted difference of a logit of a float32 graph whose logits are at most `max_logit` large.
#[must_use]
pub fn tolerance(max_logit: f32) -> f32 {
    MAX_LOGIT_DIFFERENCE.max(RELATIVE_LOGIT_DIFFERENCE * max_logit)
}

/// Refuses a comparison outside the tolerance of float32: a logit further than [`tolerance`] from libtorch's, or one greedy
/// completion that is not equal, token by token.
///
/// # Errors
/// [`ExportError::Parity`] with both numbers.
pub fn require_float32(parity: &Parity) -> Result<(), ExportError> {
    let tolerance = tolerance(parity.max_logit.unwrap_or(0.0));
    let logits_agree = parity.max_logit_difference <= tolerance;
    if logits_agree && parity.equal_greedy_completions == parity.prompts {
        return Ok(());
    }
    Err(ExportError::Parity {
        expected: format!(
            "logits within {tolerance:e} and {} of {} greedy completions equal",
            parity.prompts, parity.prompts
        ),
        found: format!(
            "a difference of {:e} and {} equal",
            parity.max_logit_difference, parity.equal_greedy_completions
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(max_logit_difference: f32, max_logit: Option<f32>, equal: usize) -> Parity {
        Parity { prompts: 5, max_logit_difference, max_logit, equal_greedy_completions: equal, ..Parity::default() }
    }

    #[test]
    fn large_logits_may_differ_in_their_last_bits_and_small_ones_by_the_floor() {
        for (difference, max_logit, holds) in [
            (0.9e-4, Some(3.0), true),
            (1.1e-4, Some(3.0), false),
            (1.9e-4, Some(100.0), true),
            (2.1e-4, Some(100.0), false),
            // Nobody recorded how large they are.
            (1.1e-4, None, false),
            (f32::NAN, Some(3.0), false),
        ] {
            let verdict = require_float32(&measured(difference, max_logit, 5));
            assert_eq!(verdict.is_ok(), holds, "{difference} of {max_logit:?}");
        }
    }

    #[test]
    fn one_other_greedy_completion_is_a_miss() {
        let error = require_float32(&measured(0.0, Some(1.0), 4)).unwrap_err();
        assert!(error.to_string().contains("5 of 5 greedy completions equal, found a difference of 0e0 and 4 equal"));
    }
}
