//! A server that answers sums, and lets faults happen as it is told. It speaks raw TCP, so that it can break every layer.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pupil_distill::keyed::mix;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::answers::{Asked, fingerprint};
use crate::fault::{Cause, Fault, Outage, When};
use crate::http::{Connection, Request};
use crate::injection::{self, Outcome, Site};
use crate::log::Entry;

/// How long a port is without a server.
const OUTAGE: Duration = Duration::from_millis(500);
/// A connection that takes longer finds the backlog full.
const FILLING: Duration = Duration::from_millis(20);
/// Requests before an outage: this many, and by the seed up to as many more.
const BEFORE_OUTAGE: u64 = 40;

/// What a server does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conduct {
    /// What goes wrong; `None` for a good server.
    pub(crate) cause: Option<Cause>,
    /// Another seed lets it happen to other requests.
    pub(crate) seed: u64,
    /// From a request to its reply.
    pub(crate) latency: Duration,
}

impl Conduct {
    /// A server without any fault.
    pub(crate) fn good() -> Self {
        Self { cause: None, seed: 0, latency: Duration::from_millis(2) }
    }
}

/// A server under way; it ends when it is dropped.
pub(crate) struct Server {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    address: SocketAddr,
    conduct: Conduct,
    elsewhere: String,
    is_healed: AtomicBool,
    requests: AtomicUsize,
    log: Mutex<Vec<Entry>>,
    attempts: Mutex<HashMap<u64, u32>>,
    outage: Notify,
    end: Notify,
}

impl Server {
    /// Starts a server on a port of its own; redirects name `elsewhere`, such as `http://localhost:1`.
    pub(crate) fn start(conduct: Conduct, elsewhere: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(async { listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 1024) }).unwrap();
        let shared = Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            conduct,
            elsewhere: elsewhere.to_owned(),
            is_healed: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            log: Mutex::default(),
            attempts: Mutex::default(),
            outage: Notify::new(),
            end: Notify::new(),
        });
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || runtime.block_on(serve(&served, listener)).unwrap());
        Self { shared, thread: Some(thread) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.shared.address.port()
    }

    /// The base URL for an experiment.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port())
    }

    /// From now on nothing goes wrong.
    pub(crate) fn heal(&self) {
        self.shared.is_healed.store(true, Ordering::SeqCst);
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Every request so far, in the order in which they came.
    pub(crate) fn log(&self) -> Vec<Entry> {
        self.shared.entries().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.end.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

async fn serve(shared: &Arc<Shared>, mut listener: TcpListener) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let shared = Arc::clone(shared);
                // A client that goes away is no error of the server's.
                connections.spawn(async move { let _ = converse(&shared, stream).await; });
            }
            () = shared.outage.notified() => {
                drop(listener);
                connections.shutdown().await;
                listener = outage(shared).await?;
            }
            () = shared.end.notified() => return Ok(()),
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Leaves the port without a server for a while; the listener after that.
async fn outage(shared: &Shared) -> io::Result<TcpListener> {
    if let Some(Cause::Outage(Outage::BlackHole)) = shared.conduct.cause {
        let deaf = listen(shared.address, 1)?;
        // What the backlog holds is answered by the kernel; once it is full, nothing is.
        let mut fillers = Vec::new();
        while let Ok(filler) = timeout(FILLING, TcpStream::connect(shared.address)).await {
            fillers.push(filler);
        }
        sleep(OUTAGE).await;
        drop(deaf);
    } else {
        sleep(OUTAGE).await;
    }
    listen(shared.address, 1024)
}

async fn converse(shared: &Shared, stream: TcpStream) -> io::Result<()> {
    let mut connection = Connection::new(stream);
    while let Some(request) = connection.request().await? {
        let Some(asked) = Asked::parse(request.path(), &request.body) else {
            return connection.respond(400, &[], br#"{"error": {"message": "expected a request"}}"#).await;
        };
        let (number, fault) = shared.arrived(&request, &asked);
        if !shared.conduct.latency.is_zero() {
            sleep(shared.conduct.latency).await;
        }
        let outcome = match fault {
            None => injection::answer(connection, &asked).await,
            Some(fault) => {
                let site = Site { asked: &asked, request: &request, elsewhere: &shared.elsewhere };
                injection::inject(fault, connection, &site).await
            }
        };
        let outcome = outcome.unwrap_or_default();
        shared.replied(number, &outcome);
        match outcome.connection {
            Some(next) => connection = next,
            None => return Ok(()),
        }
    }
    Ok(())
}

impl Shared {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a request; its number, from 0, and what happens to it.
    fn arrived(&self, request: &Request, asked: &Asked) -> (usize, Option<Fault>) {
        let key = fingerprint(&request.body);
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = attempts.entry(key).and_modify(|attempt| *attempt += 1).or_default();
        let mut log = self.entries();
        let number = log.len();
        let fault = if self.is_healed.load(Ordering::SeqCst) { None } else { self.fault(number, key, *attempt, asked) };
        log.push(Entry {
            at: Instant::now(),
            key,
            authorization: request.header("authorization").map(ToOwned::to_owned),
            fault,
            replied: None,
            is_whole: false,
            not_before: None,
        });
        self.requests.store(log.len(), Ordering::SeqCst);
        if matches!(self.conduct.cause, Some(Cause::Outage(_)))
            && number as u64 == BEFORE_OUTAGE + mix(&[self.conduct.seed]) % BEFORE_OUTAGE
        {
            self.outage.notify_one();
        }
        (number, fault)
    }

    fn replied(&self, number: usize, outcome: &Outcome) {
        let mut log = self.entries();
        let entry = &mut log[number];
        entry.replied = Some(Instant::now());
        entry.is_whole = outcome.is_whole;
        entry.not_before = outcome.not_before;
    }

    fn fault(&self, number: usize, key: u64, attempt: u32, asked: &Asked) -> Option<Fault> {
        let Some(Cause::Replies { when, faults }) = self.conduct.cause else { return None };
        let draw = mix(&[self.conduct.seed, key, u64::from(attempt)]);
        let (happens, choice) = match when {
            When::Attempts { first, share } => (attempt < first && chance(draw) < share, mix(&[draw])),
            When::Bursts { every, count } => (number % every >= every - count, mix(&[draw])),
            // The same for every seed, because it is a part of what the server answers.
            When::Prompts { share } => (chance(asked.key()) < share, mix(&[asked.key()])),
            When::After(count) => (number >= count, mix(&[draw])),
        };
        happens.then(|| faults[choice as usize % faults.len()])
    }
}

/// A number as a fraction of the largest.
fn chance(number: u64) -> f64 {
    number as f64 / u64::MAX as f64
}
