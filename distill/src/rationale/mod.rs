//! Rationales: everything that a run's teachers wrote, between teaching and filtering.
//!
//! A run has one [`Store`], an SQLite database with one writer. A completion is *done* once its transaction has committed, and
//! is never asked for again. The raw text is kept for ever, right or wrong, with the verdicts beside it, so that filters
//! and graders run again without any request. [`Reader`] (and the `sqlite3` program) can read while a run goes on.

mod copy;
mod difference;
mod error;
pub mod jsonl;
mod merge;
mod reader;
mod record;
mod rejected;
mod row;
mod salvage;
mod schema;
mod standing;
mod store;
mod summary;
mod survey;
pub mod transfer;
mod write;

pub use difference::Difference;
pub use error::RationaleError;
pub use merge::{MergeReport, merge};
pub use reader::{Reader, Stored};
pub use record::{Accounting, CompletionKey, ExampleKey, Failure, RationaleRow, Record, State};
pub use salvage::{SalvageReport, salvage};
pub use schema::{MOST_COMPLETIONS, MOST_EXAMPLES, MOST_SOURCES};
pub use standing::{Standing, Uncounted};
pub use store::{SourceRecord, Store};
pub use summary::{COUNTS_LESS, Progress, Summary};
pub use survey::{Judgement, Spending};
pub(crate) use write::Outcome;

#[cfg(test)]
mod tests;
