//! How many tokens a completion may have: the contract's budgets, the request's, and what the context leaves.

use pupil_models::contract::ReasoningContract;

use crate::error::GenerateError;
use crate::request::{RationaleExhausted, Request};

/// Limits of one completion, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Up to and including the answer marker.
    pub(crate) rationale: usize,
    /// After the answer marker.
    pub(crate) answer: usize,
    /// All together, a forced answer marker included.
    pub(crate) total: usize,
    /// Whether the answer marker is forced when the rationale's limit is reached.
    pub(crate) force: bool,
}

impl Limits {
    /// Limits for a prompt of `prompt_tokens` in a context of `context` tokens; a forced answer marker takes up to
    /// `marker_tokens`.
    ///
    /// # Errors
    /// [`GenerateError::ContextExceeded`] if not even one token fits.
    pub(crate) fn new(
        contract: &ReasoningContract,
        request: &Request,
        prompt_tokens: usize,
        context: usize,
        marker_tokens: usize,
    ) -> Result<Self, GenerateError> {
        let reasons = contract.answer_marker.is_some();
        let wanted = request.rationale_tokens.map_or(contract.budgets.rationale_tokens, std::num::NonZero::get);
        let rationale = if reasons { wanted } else { 0 };
        let answer = request.answer_tokens.map_or(contract.budgets.answer_tokens, std::num::NonZero::get);
        let room = context.saturating_sub(prompt_tokens);
        if room == 0 {
            return Err(GenerateError::ContextExceeded { prompt_tokens, budget: rationale + answer, context });
        }
        let reserved = marker_tokens + answer;
        let wants_force = reasons && request.on_rationale_exhausted == RationaleExhausted::ForceAnswer;
        // Without room for a marker and an answer behind at least one token of rationale, forcing would be pointless.
        let force = wants_force && room > reserved;
        let most = if force { room - reserved } else { room };
        let extra = if force { marker_tokens } else { 0 };
        Ok(Self { rationale: rationale.min(most), answer, total: (rationale + extra + answer).min(room), force })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pupil_models::answer::{AnswerKind, Grader};
    use pupil_models::contract::{Budgets, CONTRACT_VERSION, StepRule};

    fn contract(marker: Option<&str>) -> ReasoningContract {
        ReasoningContract {
            version: CONTRACT_VERSION,
            prompt: "{question}".to_owned(),
            answer_marker: marker.map(str::to_owned),
            step_rule: StepRule::Line,
            answer: AnswerKind::Text,
            grader: Grader::Robust,
            budgets: Budgets { rationale_tokens: 20, answer_tokens: 5 },
            stops: vec![],
        }
    }

    fn limits(marker: Option<&str>, room: usize) -> Limits {
        Limits::new(&contract(marker), &Request::default(), 100, 100 + room, 3).unwrap()
    }

    #[test]
    fn ample_context_leaves_the_budgets_alone() {
        assert_eq!(limits(Some("->"), 1000), Limits { rationale: 20, answer: 5, total: 28, force: true });
        assert_eq!(limits(None, 1000), Limits { rationale: 0, answer: 5, total: 5, force: false });
    }

    #[test]
    fn a_short_context_shortens_the_rationale_and_keeps_room_for_the_answer() {
        assert_eq!(limits(Some("->"), 12), Limits { rationale: 4, answer: 5, total: 12, force: true });
        assert_eq!(limits(Some("->"), 8), Limits { rationale: 8, answer: 5, total: 8, force: false });
        assert_eq!(limits(None, 2), Limits { rationale: 0, answer: 5, total: 2, force: false });
    }

    #[test]
    fn no_room_is_refused_with_all_counts() {
        let error = Limits::new(&contract(None), &Request::default(), 100, 100, 0).unwrap_err();
        assert!(matches!(error, GenerateError::ContextExceeded { prompt_tokens: 100, budget: 5, context: 100 }));
    }
}
