//! The workers and the one writer.

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use pupil_runtime::{CancelToken, Engine};

use super::BundleTeachError;
use super::worker::{Lesson, Task};
use crate::progress::Progress;
use crate::rationale::{ExampleKey, Record, State};
use crate::teacher::{Assignment, Degree, TeachError};

/// Completions that are committed together at most, and how long one waits for others.
const GROUP_ROWS: usize = 256;
const GROUP_TIME: Duration = Duration::from_millis(250);
/// Most examples that a worker takes at once: several times its rows, so that few stand empty at the end.
const MOST_EXAMPLES: usize = 64;
/// How often the writer looks whether somebody asked to stop.
const TICK: Duration = Duration::from_millis(50);

/// What a worker tells the writer.
enum Message {
    Finished(Box<Record>),
    /// The worker is through with so many examples.
    Through(usize),
    Broken(BundleTeachError),
}

/// Lets every engine work until each example of the assignment has its completions.
pub(super) fn run(
    engines: Vec<Engine>,
    lesson: &Lesson<'_>,
    assignment: &mut Assignment<'_>,
) -> Result<(), TeachError> {
    let (cancel, workers) = (CancelToken::new(), engines.len());
    let (hand_out, tasks) = mpsc::sync_channel(workers);
    let (report, messages) = mpsc::channel();
    let tasks = Mutex::new(tasks);
    thread::scope(|scope| {
        for mut engine in engines {
            let (tasks, report, cancel) = (&tasks, report.clone(), &cancel);
            scope.spawn(move || work(&mut engine, lesson, tasks, &report, cancel));
        }
        drop(report);
        let outcome = Writer::new(assignment, &cancel, workers).run(hand_out, &messages);
        // Also after an error of the store, so that no worker goes on for nobody.
        cancel.cancel();
        outcome
    })
}

fn work(
    engine: &mut Engine,
    lesson: &Lesson<'_>,
    tasks: &Mutex<Receiver<Vec<Task<'_>>>>,
    report: &Sender<Message>,
    cancel: &CancelToken,
) {
    loop {
        // A worker that panicked has not touched the receiver; the others may go on.
        let Ok(tasks) = tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv() else { return };
        let _through = Through(report, tasks.len());
        let mut finished = |record| {
            let _ = report.send(Message::Finished(Box::new(record)));
        };
        if let Err(error) = lesson.answer(engine, tasks, cancel, &mut finished) {
            let _ = report.send(Message::Broken(error));
        }
    }
}

/// Says that examples are through, even if the worker panics, so that nobody waits for them.
struct Through<'a>(&'a Sender<Message>, usize);

impl Drop for Through<'_> {
    fn drop(&mut self) {
        let _ = self.0.send(Message::Through(self.1));
    }
}

/// Hands examples out and writes what comes back.
struct Writer<'w, 'a> {
    assignment: &'w mut Assignment<'a>,
    cancel: &'w CancelToken,
    /// The next example to look at, and those that no worker had room for.
    next: usize,
    waiting: Vec<Task<'a>>,
    /// Examples that are handed out at once.
    together: usize,
    /// Examples that were handed out and are not through.
    in_work: usize,
    broken: Option<BundleTeachError>,
    group: Vec<Record>,
    oldest: Instant,
    bar: Progress,
    started: Instant,
    tokens: u64,
}

impl<'w, 'a> Writer<'w, 'a> {
    fn new(assignment: &'w mut Assignment<'a>, cancel: &'w CancelToken, workers: usize) -> Self {
        let examples = assignment.examples.len();
        let bar = Progress::new("teach", "examples", examples as u64, 0);
        Self {
            assignment,
            cancel,
            next: 0,
            waiting: Vec::new(),
            together: examples.div_ceil(2 * workers).clamp(1, MOST_EXAMPLES),
            in_work: 0,
            broken: None,
            group: Vec::new(),
            oldest: Instant::now(),
            bar,
            started: Instant::now(),
            tokens: 0,
        }
    }

    fn run(mut self, hand_out: SyncSender<Vec<Task<'a>>>, messages: &Receiver<Message>) -> Result<(), TeachError> {
        loop {
            self.feed(&hand_out)?;
            if self.in_work == 0 {
                break;
            }
            match messages.recv_timeout(TICK) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.group.len() >= GROUP_ROWS || self.oldest.elapsed() >= GROUP_TIME {
                self.commit()?;
            }
            if self.assignment.interrupt.is_requested() {
                self.cancel.cancel();
            }
        }
        self.commit()?;
        match self.broken {
            Some(error) => Err(error.into()),
            None if self.cancel.is_cancelled() => Err(TeachError::Interrupted),
            None => {
                self.bar.finish();
                Ok(())
            }
        }
    }

    /// Hands out examples as long as there is room for them.
    fn feed(&mut self, hand_out: &SyncSender<Vec<Task<'a>>>) -> Result<(), TeachError> {
        while !self.cancel.is_cancelled() {
            self.gather()?;
            if self.waiting.is_empty() {
                return Ok(());
            }
            let count = self.waiting.len();
            match hand_out.try_send(std::mem::take(&mut self.waiting)) {
                Ok(()) => self.in_work += count,
                Err(TrySendError::Full(tasks) | TrySendError::Disconnected(tasks)) => {
                    self.waiting = tasks;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Finds examples for which something is missing, as many as are handed out at once.
    fn gather(&mut self) -> Result<(), TeachError> {
        while self.waiting.len() < self.together && self.next < self.assignment.examples.len() {
            let task = self.task(self.next)?;
            self.waiting.extend(task);
            self.next += 1;
        }
        Ok(())
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Finished(record) => self.collect(*record),
            Message::Through(examples) => {
                self.in_work -= examples;
                (0..examples).for_each(|_| self.bar.advance());
            }
            Message::Broken(error) => {
                self.cancel.cancel();
                self.broken.get_or_insert(error);
            }
        }
    }

    /// The example at `place` and what is known of it; none if nothing is missing.
    fn task(&self, place: usize) -> Result<Option<Task<'a>>, TeachError> {
        let Assignment { store, source, degree, options, .. } = &*self.assignment;
        let (position, example) = &self.assignment.examples[place];
        let key = ExampleKey::new(*source, *position);
        let asked_again = |state| state == State::Partial || (state == State::Failed && options.retry_failed);
        let mut known = Vec::new();
        for (index, state) in store.states(key)?.into_iter().filter(|(_, state)| !asked_again(*state)) {
            let is_looked_at = state == State::Done && matches!(degree, Degree::Adaptive(_));
            let stored = if is_looked_at { store.get(key.completion(index))? } else { None };
            known.push((index, stored.map(|(_, completion)| completion)));
        }
        let is_whole = (0..degree.most()).all(|index| known.iter().any(|(known, _)| *known == index));
        if is_whole {
            self.bar.advance();
        }
        Ok((!is_whole).then_some(Task { key, example, known }))
    }

    fn collect(&mut self, record: Record) {
        if self.group.is_empty() {
            self.oldest = Instant::now();
        }
        self.tokens += record.accounting.completion_tokens.unwrap_or(0);
        self.group.push(record);
        let rate = self.tokens as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
        self.bar.note(format!("· {rate:.0} tokens/s"));
    }

    fn commit(&mut self) -> Result<(), TeachError> {
        if !self.group.is_empty() {
            self.assignment.store.put(&self.group)?;
            self.group.clear();
        }
        Ok(())
    }
}
