//! The jobs that are left: found example by example, so that a run of any size holds only those under way.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Instant;

use super::OpenaiError;
use super::job::{Job, RETRIES_EXHAUSTED};
use super::rounds::{self, Known};
use crate::dataset::Example;
use crate::filter::Filter;
use crate::rationale::{ExampleKey, RationaleRow, Reader, Standing, State};
use crate::teacher::Degree;

/// Examples that are looked at before somebody else's turn.
const EXAMPLES_AT_ONCE: usize = 512;

/// The next job, or when to look again.
pub(super) enum Next {
    Job(Box<Job>),
    /// Nothing now; perhaps at that time, perhaps once a reply arrives.
    Later(Option<Instant>),
}

/// A job that waits before its next attempt.
struct Waiting {
    until: Instant,
    serial: u64,
    job: Box<Job>,
}

impl Waiting {
    fn rank(&self) -> (Instant, u64) {
        (self.until, self.serial)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// What this process asked for about an example with an adaptive degree.
#[derive(Default)]
struct Asked {
    indices: Vec<u32>,
    outstanding: usize,
}

/// Finds the jobs of an assignment.
pub(super) struct Queue<'a> {
    pub(super) reader: Reader,
    pub(super) source: u32,
    pub(super) examples: &'a [(u64, Example)],
    pub(super) degree: Degree,
    pub(super) filter: &'a Filter,
    /// Whether all failed completions are asked for again, not only those that may succeed another day.
    pub(super) retry_failed: bool,
    pub(super) has_answer_step: bool,
    /// Most jobs that wait before no new ones are begun.
    pub(super) most_waiting: usize,
    state: Backlog,
}

/// What changes while the queue is worked off.
#[derive(Default)]
struct Backlog {
    next_example: usize,
    ready: VecDeque<Box<Job>>,
    fresh: VecDeque<Box<Job>>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    serial: u64,
    asked: HashMap<usize, Asked>,
    /// Completions that turned out not to be needed.
    spared: u64,
}

impl<'a> Queue<'a> {
    pub(super) fn new(
        reader: Reader,
        source: u32,
        examples: &'a [(u64, Example)],
        degree: Degree,
        filter: &'a Filter,
    ) -> Self {
        Self {
            reader,
            source,
            examples,
            degree,
            filter,
            retry_failed: false,
            has_answer_step: false,
            most_waiting: 1024,
            state: Backlog::default(),
        }
    }

    /// The next job: an answer that is missing, then an attempt that is due again, then something new.
    pub(super) fn next(&mut self, now: Instant) -> Result<Next, OpenaiError> {
        if let Some(job) = self.state.ready.pop_front() {
            return Ok(Next::Job(job));
        }
        let due = self.state.waiting.peek().map(|Reverse(waiting)| waiting.until);
        if due.is_some_and(|due| due <= now)
            && let Some(Reverse(waiting)) = self.state.waiting.pop()
        {
            return Ok(Next::Job(waiting.job));
        }
        if self.state.waiting.len() >= self.most_waiting {
            return Ok(Next::Later(due));
        }
        for _ in 0..EXAMPLES_AT_ONCE {
            if let Some(job) = self.state.fresh.pop_front() {
                return Ok(Next::Job(job));
            }
            if self.state.next_example == self.examples.len() {
                return Ok(Next::Later(due));
            }
            self.plan(self.state.next_example)?;
            self.state.next_example += 1;
        }
        Ok(Next::Later(Some(now)))
    }

    /// Whether nothing is left but what is under way.
    pub(super) fn is_empty(&self) -> bool {
        let state = &self.state;
        state.next_example == self.examples.len()
            && state.ready.is_empty()
            && state.fresh.is_empty()
            && state.waiting.is_empty()
    }

    /// Jobs that wait before their next attempt.
    pub(super) fn waiting(&self) -> usize {
        self.state.waiting.len()
    }

    /// Completions that turned out not to be needed.
    pub(super) fn spared(&self) -> u64 {
        self.state.spared
    }

    /// Takes a job back whose next step can begin.
    pub(super) fn go_on(&mut self, job: Box<Job>) {
        self.state.ready.push_back(job);
    }

    /// Takes a job back that is to be tried again, not before `until`.
    pub(super) fn again(&mut self, job: Box<Job>, until: Instant) {
        self.state.serial += 1;
        self.state.waiting.push(Reverse(Waiting { until, serial: self.state.serial, job }));
    }

    /// Learns that a completion of the example at `at` is durable, whole or failed.
    pub(super) fn settled(&mut self, at: usize) -> Result<(), OpenaiError> {
        let Some(asked) = self.state.asked.get_mut(&at) else { return Ok(()) };
        asked.outstanding = asked.outstanding.saturating_sub(1);
        if asked.outstanding == 0 {
            self.plan(at)?;
        }
        Ok(())
    }

    /// Makes jobs of the completions that the example at `at` lacks.
    fn plan(&mut self, at: usize) -> Result<(), OpenaiError> {
        let key = ExampleKey::new(self.source, self.examples[at].0);
        let standing = self.reader.standing(key)?;
        let mut looked_at = 0;
        let missing = rounds::next(self.degree, |index| {
            looked_at = looked_at.max(index + 1);
            self.known(at, key, &standing, index)
        })?;
        for &index in &missing {
            let job = self.job(at, key, &standing, index)?;
            self.state.fresh.push_back(Box::new(job));
        }
        if let Degree::Adaptive(adaptive) = self.degree {
            if missing.is_empty() {
                self.state.asked.remove(&at);
                self.state.spared += u64::from(adaptive.most.get() - looked_at);
            } else {
                let asked = self.state.asked.entry(at).or_default();
                asked.outstanding = missing.len();
                asked.indices.extend(missing);
            }
        }
        Ok(())
    }

    fn known(&self, at: usize, key: ExampleKey, standing: &[Standing], index: u32) -> Result<Known, OpenaiError> {
        let Some(standing) = find(standing, index) else { return Ok(Known::Open) };
        match standing.state {
            State::Partial => Ok(Known::Open),
            State::Failed => {
                let was_asked = self.state.asked.get(&at).is_some_and(|asked| asked.indices.contains(&index));
                let may_succeed = self.retry_failed || standing.failure.as_deref() == Some(RETRIES_EXHAUSTED);
                Ok(if may_succeed && !was_asked { Known::Open } else { Known::Useless })
            }
            State::Done if matches!(self.degree, Degree::Fixed(_)) => Ok(Known::Useless),
            State::Done => self.judged(at, key, index),
        }
    }

    /// Whether a finished completion is correct.
    fn judged(&self, at: usize, key: ExampleKey, index: u32) -> Result<Known, OpenaiError> {
        let Some((_, completion)) = self.reader.get(key.completion(index))? else { return Ok(Known::Open) };
        let row = RationaleRow { example: self.examples[at].1.clone(), teacher: String::new(), completion };
        if self.filter.verdict(&row).is_keep() {
            return Ok(Known::Correct { rationale: row.completion.reasoning().to_owned() });
        }
        Ok(Known::Useless)
    }

    fn job(&self, at: usize, key: ExampleKey, standing: &[Standing], index: u32) -> Result<Job, OpenaiError> {
        if self.has_answer_step && find(standing, index).is_some() {
            let key = key.completion(index);
            if let Some((_, completion)) = self.reader.get(key)?.filter(|(_, half)| !half.rationale.is_empty()) {
                let accounting = self.reader.accounting(key)?.unwrap_or_default();
                return Ok(Job::half_done(at, completion, accounting));
            }
        }
        Ok(Job::new(at, index))
    }
}

fn find(standing: &[Standing], index: u32) -> Option<&Standing> {
    standing.binary_search_by_key(&index, |standing| standing.index).ok().map(|found| &standing[found])
}
