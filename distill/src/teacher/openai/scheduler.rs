//! The loop that keeps an endpoint busy: which request goes when, and what becomes of its reply.
//!
//! One task runs this loop, one task each attempt, one thread writes. A request holds its place in the window until its
//! reply is durable, so that a crash costs at most as many requests as the concurrency allows.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use super::OpenaiError;
use super::client::{EndpointClient, Outcome};
use super::dialect::{Reply, Usage};
use super::fault::{Class, Fault};
use super::job::{Job, RETRIES_EXHAUSTED, Scribe};
use super::ledger::{Ledger, estimated_tokens};
use super::limits::Pace;
use super::pause::backoff;
use super::queue::{Next, Queue};
use super::reach::Reach;
use super::settings::Limits;
use super::watch::{Tally, Watch};
use super::writer::{Entry, Settled};
use crate::interrupt::Interrupt;

/// Replies to one completion that cannot be used, after which it is given up.
const MOST_MALFORMED: u32 = 3;

/// How often somebody looks at the interrupt and the progress.
const TICK: Duration = Duration::from_millis(100);

/// How long replies under way are waited for once somebody asked to stop.
const GRACE: Duration = Duration::from_millis(800);

/// Something that the loop has to know.
pub(super) enum Event {
    /// An attempt is over.
    Answered(Box<Flight>, Box<Outcome>),
    /// Records are durable.
    Committed(Vec<Settled>),
    /// The store refuses.
    Unwritable,
}

/// A request under way, or about to be.
pub(super) struct Flight {
    job: Box<Job>,
    sent: Instant,
    prompt_bytes: usize,
    max_tokens: u32,
    /// The most that it can cost, in US dollars.
    worst: f64,
    /// Prompt and budget, for the limit of tokens per minute.
    tokens: f64,
}

/// Why nothing new is begun, and how long replies are still waited for.
struct Ending {
    /// None where the writer knows better.
    error: Option<OpenaiError>,
    deadline: Option<Instant>,
}

/// The two ends of the loop: where events come from and where records go.
pub(super) struct Wires {
    pub(super) events: UnboundedReceiver<Event>,
    pub(super) sender: UnboundedSender<Event>,
    pub(super) entries: Sender<Entry>,
}

/// Keeps an endpoint busy.
pub(super) struct Scheduler<'a> {
    pub(super) client: Arc<EndpointClient>,
    pub(super) scribe: Scribe<'a>,
    pub(super) queue: Queue<'a>,
    pub(super) limits: &'a Limits,
    pub(super) pace: Pace,
    pub(super) ledger: Ledger,
    pub(super) tally: Tally,
    pub(super) watch: Watch,
    pub(super) interrupt: &'a Interrupt,
    pub(super) wires: Wires,
    /// Makes request ids and jitter differ from those of other processes.
    pub(super) process_key: u64,
    pub(super) progress: Progress,
}

/// What changes from event to event.
#[derive(Default)]
pub(super) struct Progress {
    attempts: JoinSet<()>,
    held: Option<(Box<Flight>, Vec<u8>)>,
    ending: Option<Ending>,
    serial: u64,
    reach: Reach,
}

impl Progress {
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach, ..Self::default() }
    }
}

impl Scheduler<'_> {
    /// Works until nothing is left, or until something ends the run.
    ///
    /// # Errors
    /// What ended the run; the writer's own error is its own business.
    pub(super) async fn run(mut self) -> Result<(), OpenaiError> {
        let mut batch = Vec::new();
        loop {
            let wake = self.issue()?;
            if self.is_over() {
                break;
            }
            let tick = Instant::now() + TICK;
            let wake = wake.map_or(tick, |wake| wake.min(tick));
            tokio::select! {
                _ = self.wires.events.recv_many(&mut batch, 256) => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            for event in batch.drain(..) {
                self.learn(event)?;
            }
            self.reap();
            self.heed_interrupt();
            self.show();
        }
        self.show();
        self.watch.finish(&self.tally, &self.ledger);
        self.progress.ending.and_then(|ending| ending.error).map_or(Ok(()), Err)
    }

    fn is_over(&self) -> bool {
        let is_idle = self.tally.in_flight == 0;
        match &self.progress.ending {
            Some(ending) => is_idle || ending.deadline.is_some_and(|deadline| deadline <= Instant::now()),
            None => is_idle && self.progress.held.is_none() && self.queue.is_empty(),
        }
    }

    /// Sends what may go now; when more may go.
    fn issue(&mut self) -> Result<Option<Instant>, OpenaiError> {
        while self.progress.ending.is_none() && self.tally.in_flight < self.pace.window() {
            let now = Instant::now();
            let (flight, body) = match self.progress.held.take() {
                Some(held) => held,
                None => match self.queue.next(now)? {
                    Next::Job(job) => self.prepare(job)?,
                    Next::Later(when) => return Ok(when),
                },
            };
            let ready = self.pace.ready(flight.tokens, now);
            if ready > now {
                self.progress.held = Some((flight, body));
                return Ok(Some(ready));
            }
            if !self.ledger.admits(flight.worst) {
                // What is under way may turn out cheaper than feared.
                if self.tally.in_flight == 0 {
                    self.end(self.ledger.exhausted(), None);
                }
                self.progress.held = Some((flight, body));
                return Ok(None);
            }
            self.send(flight, body, now);
        }
        Ok(None)
    }

    fn prepare(&self, job: Box<Job>) -> Result<(Box<Flight>, Vec<u8>), OpenaiError> {
        let rationale = job.rationale.as_ref().map(|rationale| rationale.text.as_str());
        let wording = self.scribe.wording;
        let body = wording.body(&self.scribe.prompt(&job)?, rationale, job.index);
        let max_tokens = wording.max_tokens(job.step());
        let flight = Flight {
            job,
            sent: Instant::now(),
            prompt_bytes: body.len(),
            max_tokens,
            worst: self.ledger.worst(body.len(), max_tokens),
            tokens: estimated_tokens(body.len()) as f64 + f64::from(max_tokens),
        };
        Ok((Box::new(flight), body))
    }

    fn send(&mut self, mut flight: Box<Flight>, body: Vec<u8>, now: Instant) {
        self.pace.take(flight.tokens);
        self.ledger.reserve(flight.worst);
        self.tally.in_flight += 1;
        self.progress.serial += 1;
        flight.sent = now;
        self.progress.reach.sent(now);
        let id = format!("{:016x}-{}", self.process_key, self.progress.serial);
        let (client, events) = (Arc::clone(&self.client), self.wires.sender.clone());
        self.progress.attempts.spawn(async move {
            let outcome = client.attempt(body, id).await;
            // Nobody listens any more only when the run is over.
            let _ = events.send(Event::Answered(flight, Box::new(outcome)));
        });
    }

    fn learn(&mut self, event: Event) -> Result<(), OpenaiError> {
        match event {
            Event::Answered(flight, outcome) => {
                let now = Instant::now();
                self.pace.answered(flight.tokens, outcome.rates, now);
                match outcome.reply {
                    Ok(reply) => self.accept(*flight, reply),
                    Err(fault) => self.suffer(*flight, fault, now),
                }
            }
            Event::Committed(settled) => settled.into_iter().try_for_each(|settled| self.settle(settled)),
            Event::Unwritable => {
                self.progress.ending = Some(Ending { error: None, deadline: Some(Instant::now()) });
                Ok(())
            }
        }
    }

    fn accept(&mut self, mut flight: Flight, mut reply: Reply) -> Result<(), OpenaiError> {
        self.pace.succeeded();
        self.progress.reach.answered();
        let reply_bytes = reply.text.len() + reply.reasoning.len();
        let counted = reply.usage.and_then(|usage| usage.credible(flight.prompt_bytes, reply_bytes, flight.max_tokens));
        let usage = counted.unwrap_or_else(|| Usage {
            prompt_tokens: estimated_tokens(flight.prompt_bytes),
            completion_tokens: estimated_tokens(reply_bytes),
        });
        let cost = self.ledger.cost(usage);
        self.ledger.settle(flight.worst, cost, usage.completion_tokens, counted.is_none());
        flight.job.account(&mut reply, counted, self.ledger.has_price().then_some(cost));
        let (record, is_half) = self.scribe.taken(&mut flight.job, reply)?;
        let settled = if is_half { Settled::Half(flight.job) } else { Settled::Whole(flight.job.at) };
        self.tally.done += u64::from(!is_half);
        self.write(Entry::Record(Box::new(record), settled));
        Ok(())
    }

    fn suffer(&mut self, flight: Flight, fault: Fault, now: Instant) -> Result<(), OpenaiError> {
        let Flight { mut job, sent, worst, .. } = flight;
        self.tally.in_flight -= 1;
        // Nobody knows what an attempt without a reply cost; a hard limit has to assume the worst.
        self.ledger.settle(worst, if fault.may_cost { worst } else { 0.0 }, 0, fault.may_cost);
        self.write(Entry::Fault(fault.code.clone()));
        if fault.is_overload() {
            self.pace.overloaded(sent, now);
        }
        if let Some(pause) = fault.pause {
            self.pace.rest(pause, now);
        }
        self.progress.reach.suffered(&fault);
        if let Some(error) = fault.end_of_run() {
            self.end(error, None);
            return Ok(());
        }
        job.attempts += 1;
        if self.progress.reach.is_wrong(job.attempts, now) {
            self.end_unreachable(&fault);
        }
        job.malformed += u32::from(fault.class == Class::Malformed);
        match fault.class {
            Class::Malformed if job.malformed > MOST_MALFORMED => {
                self.give_up(*job, "malformed", format!("{}: {}", fault.code, fault.detail))
            }
            Class::Malformed | Class::Retry if job.attempts <= self.limits.retries => {
                let until = now + self.delay(job.attempts - 1, fault.pause);
                self.queue.again(job, until);
                Ok(())
            }
            Class::Malformed | Class::Retry => {
                if self.progress.reach.is_lost(&fault) {
                    self.end_unreachable(&fault);
                }
                self.give_up(*job, RETRIES_EXHAUSTED, format!("{}: {}", fault.code, fault.detail))
            }
            _ => self.give_up(*job, &fault.code, fault.detail),
        }
    }

    /// How long a job waits: as long as the endpoint says, and where it says nothing (or next to nothing) ever longer.
    fn delay(&self, attempt: u32, named: Option<Duration>) -> Duration {
        let longest = Duration::from_secs_f64(self.limits.longest_pause_s);
        let own = backoff(&[self.process_key, self.progress.serial, u64::from(attempt)], attempt, longest);
        match named {
            Some(pause) if pause >= Duration::from_secs(1) => pause,
            Some(pause) => pause.max(own.min(Duration::from_secs(1))),
            None => own,
        }
    }

    fn end_unreachable(&mut self, fault: &Fault) {
        let detail = format!("{}: {}", fault.code, fault.detail);
        let (url, attempts) = (self.client.address(), self.progress.reach.missed);
        self.end(OpenaiError::Unreachable { url, attempts, detail }, None);
    }

    fn give_up(&mut self, job: Job, code: &str, detail: String) -> Result<(), OpenaiError> {
        let settled = Settled::Whole(job.at);
        let record = self.scribe.failed(job, code, detail)?;
        // Until it is durable, it holds a place like any other.
        self.tally.in_flight += 1;
        self.tally.failed += 1;
        self.write(Entry::Record(Box::new(record), settled));
        Ok(())
    }

    fn settle(&mut self, settled: Settled) -> Result<(), OpenaiError> {
        self.tally.in_flight -= 1;
        match settled {
            Settled::Half(job) => {
                self.queue.go_on(job);
                Ok(())
            }
            Settled::Whole(at) => self.queue.settled(at),
        }
    }

    fn write(&self, entry: Entry) {
        // The writer is gone only after it said `Unwritable`.
        let _ = self.wires.entries.send(entry);
    }

    fn end(&mut self, error: OpenaiError, deadline: Option<Instant>) {
        let ending = &mut self.progress.ending;
        // The first reason counts; a deadline that comes later holds too.
        match ending {
            Some(ending) => ending.deadline = ending.deadline.or(deadline),
            None => *ending = Some(Ending { error: Some(error), deadline }),
        }
    }

    fn heed_interrupt(&mut self) {
        let has_deadline = self.progress.ending.as_ref().is_some_and(|ending| ending.deadline.is_some());
        if self.interrupt.is_requested() && !has_deadline {
            self.end(OpenaiError::Interrupted, Some(Instant::now() + GRACE));
        }
    }

    /// Forgets attempts that are over; passes a panic on.
    fn reap(&mut self) {
        while let Some(over) = self.progress.attempts.try_join_next() {
            if let Err(error) = over
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }

    fn show(&mut self) {
        self.tally.waiting = self.queue.waiting();
        self.tally.pause = self.pace.pause(Instant::now());
        let tally = Tally { total: self.tally.total.saturating_sub(self.queue.spared()), ..self.tally };
        self.watch.show(&tally, &self.ledger);
    }
}
