//! What a server does instead of answering well.

/// How a server says when to come back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wait {
    Unsaid,
    Seconds(u64),
    /// As an HTTP date so many seconds ahead.
    Date(u64),
    Milliseconds(u64),
    /// As a `Retry-After` that makes no sense.
    Text(&'static str),
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The connection is reset before any header.
    Reset,
    /// No header ever comes.
    NoHeader,
    /// The body stops in the middle, the connection stays.
    Stall,
    /// The reply comes byte by byte, slowly.
    Drip,
    /// The connection is reset within the body.
    ResetInBody,
    /// The announced length is longer than what comes.
    LongLength,
    /// The announced length is shorter than what comes.
    ShortLength,
    /// The size of a chunk is no number.
    BrokenChunk,
    /// The last chunk is missing.
    NoLastChunk,
    /// The stream ends well but without a finish reason.
    NoFinish { done: bool },
    /// An event of the stream is no JSON.
    MalformedEvent,
    /// The stream comes in slices of one byte.
    Slices,
    /// An error status, with a code in the body.
    Status { status: u16, code: &'static str, wait: Wait },
    /// Success with another body.
    Body { kind: &'static str, body: &'static [u8] },
    /// Success with a text that is none.
    Text(&'static str),
    /// Success with half of the text and another finish reason.
    Finish(&'static str),
    /// A reply whose text holds this in place of a character.
    Mangled(&'static [u8]),
    /// The reply comes when the client has long gone.
    Late,
    /// The reply comes, and behind it another request's.
    Twice,
    /// The reply to another request, which says so in its headers.
    Foreign,
    /// A body of 100 MB.
    Huge { is_announced: bool },
    /// A small body that unpacks to 100 MB.
    Bomb,
    /// Another host is said to know.
    Redirect(u16),
    /// Token counts that are missing or absurd.
    Usage(&'static str),
}

/// Which requests it happens to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    /// Each of a request's first attempts, with this probability.
    Attempts { first: u32, share: f64 },
    /// `count` requests in a row, `every` so many.
    Bursts { every: usize, count: usize },
    /// This share of the prompts, whenever they are asked.
    Prompts { share: f64 },
    /// Every request after so many.
    After(usize),
}

/// What a port does while no server is behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outage {
    /// It refuses connections.
    Refused,
    /// It does not react.
    BlackHole,
}

/// Where a fault comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause {
    /// The experiment names a place, `{port}` being the server's port, where no teacher is.
    Address(&'static str),
    /// The server's port is without a server for a while.
    Outage(Outage),
    /// Replies.
    Replies { when: When, faults: &'static [Fault] },
}

/// What a run is expected to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// It finishes at the first go.
    Rides,
    /// It stops with an error that says this; once the fault is mended the same command goes on.
    Stops(&'static str),
    /// Some completions fail for good; once the fault is mended `--retry-failed` gets them.
    Fails,
}

/// Whether replies are streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streaming {
    Always,
    /// With every other seed.
    Alternating,
}

/// A fault type of `reliability.md`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultType {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) cause: Cause,
    pub(crate) course: Course,
    pub(crate) streaming: Streaming,
    /// Whether the client's timeouts are what ends an attempt: they are short then, and may end a good one on a busy machine.
    pub(crate) needs_timeouts: bool,
}
