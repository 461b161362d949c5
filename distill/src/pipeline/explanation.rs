//! Why a rationale was kept or rejected.

use pupil_models::answer::Answer;

use super::PipelineError;
use super::data::STORE;
use super::judging::answer_filter;
use crate::experiment::Plan;
use crate::filter::{Finding, Judge};
use crate::rationale::{RationaleError, RationaleRow, Reader};

/// What the filter says about one rationale, criterion by criterion.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Example, teacher and completion.
    pub row: RationaleRow,
    /// The answer that the grader finds.
    pub prediction: Option<Answer>,
    /// What each criterion says, in order.
    pub findings: Vec<Finding>,
}

/// The rationales of a plan's run, open for reading.
///
/// # Errors
/// There are none yet; the store cannot be read.
pub fn rationales(plan: &Plan) -> Result<Reader, RationaleError> {
    Reader::open(&plan.folder.join(STORE))
}

/// Judges the finished completion `id`, such as `coin_flip/12#0`, as the plan says now; nothing is written. Where several
/// sources asked about the example, there is one explanation for each.
///
/// # Errors
/// The store cannot be read, or holds no such completion.
pub fn explain(plan: &Plan, id: &str) -> Result<Vec<Explanation>, PipelineError> {
    let reader = rationales(plan)?;
    let missing = || PipelineError::NoCompletion { store: reader.path().to_owned(), id: id.to_owned() };
    let (example, _) = id.rsplit_once('#').ok_or_else(missing)?;
    let filter = answer_filter(plan);
    let mut judge = Judge::new(&plan.filter, filter.clone())?;
    let mut explanations = Vec::new();
    reader.visit_example(example, |stored| {
        // Those before it decide whether it is a duplicate, so they are judged too.
        let findings = judge.explain(&stored.row);
        if stored.row.id() == id {
            let prediction = filter.prediction(&stored.row);
            explanations.push(Explanation { row: stored.row, prediction, findings });
        }
        Ok::<(), PipelineError>(())
    })?;
    if explanations.is_empty() { Err(missing()) } else { Ok(explanations) }
}
