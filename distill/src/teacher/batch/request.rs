//! The requests of a source: which are missing, and what each says.

use super::custom_id::{CustomId, Step, digest};
use super::{BatchError, OpenaiSource};
use crate::dataset::Example;
use crate::rationale::{Accounting, ExampleKey, State};
use crate::teacher::openai::OpenaiError;
use crate::teacher::openai::offline::{Letter, Offline};
use crate::teacher::{Assignment, Completion};

/// A source whose requests travel by files.
pub(super) struct Requests {
    pub(super) offline: Offline,
}

/// One request.
pub(super) struct BatchRequest {
    pub(super) id: CustomId,
    pub(super) letter: Letter,
}

/// What is known of a completion.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) state: Option<State>,
    pub(super) completion: Option<Completion>,
    pub(super) spent: Accounting,
}

impl Standing {
    /// The completion, if its rationale is there and its answer is not.
    fn half(self) -> Option<(Completion, Accounting)> {
        let is_half = matches!(self.state, Some(State::Partial | State::Failed));
        let has_rationale = |completion: &Completion| !completion.rationale.trim().is_empty();
        self.completion
            .filter(|completion| is_half && has_rationale(completion))
            .map(|completion| (completion, self.spent))
    }

    /// Whether the reply to the first of two steps is there.
    pub(super) fn has_rationale(&self) -> bool {
        self.completion.as_ref().is_some_and(|completion| !completion.rationale.trim().is_empty())
    }
}

impl Requests {
    pub(super) fn of(source: &OpenaiSource, number: u32) -> Result<Self, BatchError> {
        let wording = |error| BatchError::Wording { number, source: Box::new(error) };
        Ok(Self { offline: Offline::new(source, number).map_err(wording)? })
    }

    pub(super) fn refused(&self, error: OpenaiError) -> BatchError {
        BatchError::Wording { number: self.offline.source(), source: Box::new(error) }
    }

    /// The request of `step` for completion `index` of an example.
    ///
    /// None for an answer whose rationale is not there, or that is asked for together with the rationale.
    pub(super) fn request(
        &self,
        (position, example): &(u64, Example),
        index: u32,
        step: Step,
        standing: Standing,
    ) -> Result<Option<BatchRequest>, BatchError> {
        let letter = match step {
            Step::Rationale => self.offline.rationale(example, index),
            Step::Answer => match standing.half().filter(|_| self.offline.has_answer_step()) {
                Some((completion, spent)) => self.offline.answer(example, completion, spent),
                None => return Ok(None),
            },
        };
        let letter = letter.map_err(|error| self.refused(error))?;
        let digest = digest(self.offline.path(), &letter.body);
        let id = CustomId { source: self.offline.source(), position: *position, index, step, digest };
        Ok(Some(BatchRequest { id, letter }))
    }

    /// Calls `visit` with every request of `step` that has to be made now, in the order of the experiment.
    pub(super) fn missing(
        &self,
        assignment: &Assignment<'_>,
        step: Step,
        mut visit: impl FnMut(BatchRequest) -> Result<(), BatchError>,
    ) -> Result<(), BatchError> {
        for place in assignment.examples {
            if assignment.interrupt.is_requested() {
                return Err(BatchError::Interrupted);
            }
            let key = ExampleKey::new(self.offline.source(), place.0);
            let states = assignment.store.states(key)?;
            for index in 0..assignment.degree.most() {
                let state = states.iter().find(|(known, _)| *known == index).map(|(_, state)| *state);
                let is_given_up = state == Some(State::Failed) && !assignment.options.retry_failed;
                if state == Some(State::Done) || is_given_up {
                    continue;
                }
                let standing = standing(assignment, key, index, state)?;
                if step == self.next_step(&standing)
                    && let Some(request) = self.request(place, index, step, standing)?
                {
                    visit(request)?;
                }
            }
        }
        Ok(())
    }

    /// A completion whose rationale is there goes on with the answer, even if asking for it failed once.
    fn next_step(&self, standing: &Standing) -> Step {
        if standing.has_rationale() && self.offline.has_answer_step() { Step::Answer } else { Step::Rationale }
    }
}

/// What the store holds of a completion.
pub(super) fn standing(
    assignment: &Assignment<'_>,
    key: ExampleKey,
    index: u32,
    state: Option<State>,
) -> Result<Standing, BatchError> {
    if state.is_none() {
        return Ok(Standing::default());
    }
    let key = key.completion(index);
    let Some((state, completion)) = assignment.store.get(key)? else { return Ok(Standing::default()) };
    let spent = assignment.store.accounting(key)?.unwrap_or_default();
    Ok(Standing { state: Some(state), completion: Some(completion), spent })
}
