//! One engine's work: the missing completions of some examples, many at once.

use std::collections::HashSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{SystemTime, UNIX_EPOCH};

use pupil_runtime::{CancelToken, Engine, GenerateError, Outcome, Question, Solution};

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
    /// Completions that are written side by side.
    pub(super) rows: NonZeroUsize,
    pub(super) filter: &'a Filter,
}

/// One example, and what the store knows of it.
pub(super) struct Task<'a> {
    pub(super) key: ExampleKey,
    pub(super) example: &'a Example,
    /// By index. Finished ones carry their completion where an adaptive degree has to look at it.
    pub(super) known: Vec<(u32, Option<Completion>)>,
}

/// An example in work: which of its completions is looked at next, and whether more are needed.
struct Desk<'a> {
    task: Task<'a>,
    next: u32,
    enough: Enough,
    is_enough: bool,
}

impl Lesson<'_> {
    /// Writes the missing completions of `tasks`; `report` gets each as it is finished.
    ///
    /// An adaptive degree depends on the completions before alone, finished earlier or now, so a resumed run stops where an
    /// unbroken one does.
    pub(super) fn answer(
        &self,
        engine: &mut Engine,
        tasks: Vec<Task<'_>>,
        cancel: &CancelToken,
        report: &mut dyn FnMut(Record),
    ) -> Result<(), BundleTeachError> {
        let desk = |task| Desk { task, next: 0, enough: Enough::of(self.degree), is_enough: false };
        let mut desks: Vec<Desk<'_>> = tasks.into_iter().map(desk).collect();
        loop {
            let wanted = self.wanted(&mut desks);
            if wanted.is_empty() || cancel.is_cancelled() {
                return Ok(());
            }
            for (place, record) in self.complete(engine, &desks, &wanted, cancel, report)? {
                let Desk { task, enough, is_enough, .. } = &mut desks[place];
                *is_enough |= enough.reached_with(self, task.example, record);
            }
        }
    }

    /// What is asked in the next round, as places of examples and indices of completions: with a fixed degree everything
    /// that is missing, with an adaptive one the next completion of each example that needs more.
    fn wanted(&self, desks: &mut [Desk<'_>]) -> Vec<(usize, u32)> {
        let mut wanted = Vec::new();
        for (place, desk) in desks.iter_mut().enumerate() {
            while desk.next < self.degree.most() && !desk.is_enough {
                let index = desk.next;
                desk.next += 1;
                match desk.task.known.iter_mut().find(|(known, _)| *known == index) {
                    Some((_, None)) => {}
                    Some((_, completion)) => {
                        let completion = completion.take().unwrap_or_default();
                        desk.is_enough = desk.enough.reached_with(self, desk.task.example, completion);
                    }
                    None => {
                        wanted.push((place, index));
                        if matches!(self.degree, Degree::Adaptive(_)) {
                            break;
                        }
                    }
                }
            }
        }
        wanted
    }

    /// Writes the wanted completions; those that are whole, each with the place of its example, in the order of `wanted`.
    fn complete(
        &self,
        engine: &mut Engine,
        desks: &[Desk<'_>],
        wanted: &[(usize, u32)],
        cancel: &CancelToken,
        report: &mut dyn FnMut(Record),
    ) -> Result<Vec<(usize, Completion)>, BundleTeachError> {
        let questions: Vec<Question> = wanted
            .iter()
            .map(|&(place, index)| self.question(&desks[place].task, index, cancel))
            .collect::<Result<_, _>>()?;
        let prompts: Vec<String> = questions.iter().map(|question| engine.contract().prompt(&question.text)).collect();
        let (mut whole, mut broken) = (Vec::new(), None);
        let finished = |number: usize, result: Result<Solution, GenerateError>| {
            let (place, index) = wanted[number];
            let task = &desks[place].task;
            let completion = self.begun(task, index, &prompts[number]);
            match result {
                Ok(solution) if solution.outcome == Outcome::Cancelled => {}
                Ok(solution) => {
                    let record = self.record(task.key, completion, solution);
                    whole.push((number, place, record.completion.clone()));
                    report(record);
                }
                // A question that is too long for this student is a fact about the question, not about the run.
                Err(error @ GenerateError::ContextExceeded { .. }) => {
                    let failure = Failure { code: "context_exceeded".to_owned(), detail: error.to_string() };
                    let record = Record::done(task.key, completion);
                    report(Record { state: State::Failed, failure: Some(failure), ..record });
                }
                Err(source) => {
                    cancel.cancel();
                    let id = task.example.id.clone();
                    broken.get_or_insert(BundleTeachError::Generate { id, source });
                }
            }
        };
        engine.solve_batch(&questions, self.rows, finished).map_err(BundleTeachError::Batch)?;
        whole.sort_unstable_by_key(|(number, ..)| *number);
        broken.map_or_else(|| Ok(whole.into_iter().map(|(_, place, completion)| (place, completion)).collect()), Err)
    }

    fn question(&self, task: &Task<'_>, index: u32, cancel: &CancelToken) -> Result<Question, BundleTeachError> {
        let seed = self.sampling.seed_of(task.example, index);
        let request = self.sampling.request(seed, cancel);
        let request = request.map_err(|error| BundleTeachError::Sampling { found: error.to_string() })?;
        Ok(Question { text: task.example.question.clone(), request })
    }

    /// A completion of which nothing is written yet.
    fn begun(&self, task: &Task<'_>, index: u32, prompt: &str) -> Completion {
        Completion {
            index,
            prompt: Some(prompt.to_owned()),
            marker: Some(self.marker.clone()),
            parameters: Some(self.parameters.clone()),
            seed: self.sampling.seed_of(task.example, index),
            ..Completion::default()
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
