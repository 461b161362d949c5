//! One engine's work: the missing completions of one example after the other.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::{SystemTime, UNIX_EPOCH};

use pupil_runtime::{CancelToken, Engine, GenerateError, Outcome, Solution};

use super::{BundleTeachError, Sampling};
use crate::dataset::Example;
use crate::filter::Filter;
use crate::rationale::{Accounting, ExampleKey, Failure, RationaleRow, Record, State};
use crate::teacher::{Completion, Degree, Finish};

/// What is the same for every example.
pub(super) struct Lesson<'a> {
    pub(super) sampling: &'a Sampling,
    /// Name of the teacher.
    pub(super) teacher: String,
    /// What decides the sampling, as JSON.
    pub(super) parameters: String,
    /// Announces the answer in what the student writes.
    pub(super) marker: String,
    pub(super) degree: Degree,
    pub(super) filter: &'a Filter,
}

/// One example, and what the store knows of it.
pub(super) struct Task<'a> {
    pub(super) key: ExampleKey,
    pub(super) example: &'a Example,
    /// By index. Finished ones carry their completion where an adaptive degree has to look at it.
    pub(super) known: Vec<(u32, Option<Completion>)>,
}

impl Lesson<'_> {
    /// Writes the missing completions of an example, in the order of their indices; `report` gets each as it is finished.
    ///
    /// An adaptive degree depends on the completions before alone, finished earlier or now, so a resumed run stops where an
    /// unbroken one does.
    pub(super) fn answer(
        &self,
        engine: &mut Engine,
        mut task: Task<'_>,
        cancel: &CancelToken,
        report: &mut dyn FnMut(Record),
    ) -> Result<(), BundleTeachError> {
        let mut enough = Enough::of(self.degree);
        for index in 0..self.degree.most() {
            let known = task.known.iter_mut().find(|(known, _)| *known == index);
            let completion = match known {
                Some((_, completion)) => completion.take(),
                None if cancel.is_cancelled() => return Ok(()),
                None => {
                    let Some(record) = self.complete(engine, &task, index, cancel)? else { return Ok(()) };
                    let completion = (record.state == State::Done).then(|| record.completion.clone());
                    report(record);
                    completion
                }
            };
            if completion.is_some_and(|completion| enough.reached_with(self, task.example, completion)) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One completion; none if it was cancelled.
    fn complete(
        &self,
        engine: &mut Engine,
        task: &Task<'_>,
        index: u32,
        cancel: &CancelToken,
    ) -> Result<Option<Record>, BundleTeachError> {
        let question = &task.example.question;
        let seed = self.sampling.seed_of(task.example, index);
        let request = self
            .sampling
            .request(seed, cancel)
            .map_err(|error| BundleTeachError::Sampling { found: error.to_string() })?;
        let completion = Completion {
            index,
            prompt: Some(engine.contract().prompt(question)),
            marker: Some(self.marker.clone()),
            parameters: Some(self.parameters.clone()),
            seed,
            ..Completion::default()
        };
        match engine.solve(question, &request) {
            Ok(solution) if solution.outcome == Outcome::Cancelled => Ok(None),
            Ok(solution) => Ok(Some(self.record(task.key, completion, solution))),
            // A question that is too long for this student is a fact about the question, not about the run.
            Err(error @ GenerateError::ContextExceeded { .. }) => {
                let failure = Failure { code: "context_exceeded".to_owned(), detail: error.to_string() };
                let record = Record::done(task.key, completion);
                Ok(Some(Record { state: State::Failed, failure: Some(failure), ..record }))
            }
            Err(source) => Err(BundleTeachError::Generate { id: task.example.id.clone(), source }),
        }
    }

    fn record(&self, key: ExampleKey, completion: Completion, solution: Solution) -> Record {
        let accounting = Accounting {
            model: Some(self.teacher.clone()),
            prompt_tokens: Some(solution.usage.prompt_tokens as u64),
            completion_tokens: Some(solution.usage.completion_tokens as u64),
            mean_logprob: mean_logprob(&solution),
            arrived_ms: SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_millis() as u64),
            ..Accounting::default()
        };
        let finish = Some(finish(solution.outcome));
        Record { accounting, ..Record::done(key, Completion { rationale: solution.completion, finish, ..completion }) }
    }
}

/// Why the student stopped writing.
fn finish(outcome: Outcome) -> Finish {
    match outcome {
        Outcome::Answered | Outcome::Abstained => Finish::Stop,
        Outcome::Truncated => Finish::Length,
        Outcome::Repetition => Finish::Other("repetition".to_owned()),
        _ => Finish::Other("forced".to_owned()),
    }
}

/// Over the tokens of all steps.
fn mean_logprob(solution: &Solution) -> Option<f64> {
    let tokens: usize = solution.steps.iter().map(|step| step.tokens).sum();
    let sum: f64 = solution.steps.iter().map(|step| f64::from(step.mean_logprob) * step.tokens as f64).sum();
    (tokens > 0).then(|| sum / tokens as f64)
}

/// Counts distinct correct rationales where the degree is adaptive.
struct Enough {
    wanted: Option<NonZeroU32>,
    distinct: HashSet<String>,
}

impl Enough {
    fn of(degree: Degree) -> Self {
        let wanted = match degree {
            Degree::Fixed(_) => None,
            Degree::Adaptive(adaptive) => Some(adaptive.enough),
        };
        Self { wanted, distinct: HashSet::new() }
    }

    /// Whether no further completion is needed once `completion` is there.
    fn reached_with(&mut self, lesson: &Lesson<'_>, example: &Example, completion: Completion) -> bool {
        let Some(wanted) = self.wanted else { return false };
        let row = RationaleRow { example: example.clone(), teacher: lesson.teacher.clone(), completion };
        if lesson.filter.verdict(&row).is_keep() {
            let words: Vec<&str> = row.completion.reasoning().split_whitespace().collect();
            self.distinct.insert(words.join(" "));
        }
        self.distinct.len() >= wanted.get() as usize
    }
}
