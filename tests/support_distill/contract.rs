//! A contract for students that nobody trained.

use pupil_models::answer::{AnswerKind, Grader};
use pupil_models::contract::{Budgets, CONTRACT_VERSION, ReasoningContract, StepRule};

pub(crate) fn contract() -> ReasoningContract {
    ReasoningContract {
        version: CONTRACT_VERSION,
        prompt: "Q: {question}\nA:".to_owned(),
        answer_marker: Some("\nThe answer is ".to_owned()),
        step_rule: StepRule::Line,
        answer: AnswerKind::Text,
        grader: Grader::Robust,
        budgets: Budgets { rationale_tokens: 48, answer_tokens: 16 },
        stops: vec![],
    }
}
