//! What a server remembers of every request.

use std::time::Instant;

use crate::fault::Fault;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// When all of it had come.
    pub(crate) at: Instant,
    /// One number of its body: attempts at the same thing have the same one.
    pub(crate) key: u64,
    pub(crate) authorization: Option<String>,
    pub(crate) fault: Option<Fault>,
    /// When the reply was out, or the fault was over.
    pub(crate) replied: Option<Instant>,
    /// Whether a whole good reply was sent.
    pub(crate) is_whole: bool,
    /// The client was told to wait until then.
    pub(crate) not_before: Option<Instant>,
}

impl Entry {
    /// Whether it is the endpoint that is to be left alone, and not this request only.
    pub(crate) fn is_throttled(&self) -> bool {
        matches!(self.fault, Some(Fault::Status { status: 429, .. }))
    }
}
