//! Rationales: everything that a run's teachers wrote, between teaching and filtering.
//!
//! A run has one [`Store`], an SQLite database with one writer. A completion is *done* once its transaction has committed, and
//! is never asked for again. The raw text is kept for ever, right or wrong, with the verdicts beside it, so that filters
//! and graders run again without any request. [`Reader`] (and the `sqlite3` program) can read while a run goes on.

mod error;
pub mod jsonl;
mod reader;
mod record;
mod schema;
mod standing;
mod store;

pub use error::RationaleError;
pub use reader::{Progress, Reader, Stored};
pub use record::{Accounting, CompletionKey, ExampleKey, Failure, RationaleRow, Record, State};
pub use schema::{MOST_COMPLETIONS, MOST_EXAMPLES, MOST_SOURCES};
pub use standing::{Standing, Uncounted};
pub use store::{SourceRecord, Store};

#[cfg(test)]
mod tests;
