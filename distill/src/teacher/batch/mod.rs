//! A teacher behind the OpenAI Batch API: request files out, result files in, and nothing asked by ourselves.
//!
//! [`write()`] writes the requests that are missing, each with a `custom_id` that says which completion and step it is for and
//! carries a digest of what is asked. [`read()`] finds completion and step again by it, in files of any order, in parts, and
//! as often as one likes. Two-step prompting takes two rounds: the rationales first; once they are read, the next files ask
//! for the answers. [`teach()`] only sees that nothing is missing.

mod custom_id;
mod error;
mod read;
mod request;
mod result;
mod write;

use super::openai::OpenaiSource;
use super::{Assignment, TeachError};
use crate::rationale::{ExampleKey, State};

pub use custom_id::{BadCustomId, CustomId, Step};
pub use error::BatchError;
pub use read::{Places, ReadReport, read, survey};
pub use write::{Estimate, Limits, Part, RequestFiles, write};

/// Sees that every completion of the assignment has been read.
///
/// A completion that failed is not missing, unless the user asks for it again.
///
/// # Errors
/// [`BatchError::Missing`] if one has not been read.
pub fn teach(_source: &OpenaiSource, assignment: &mut Assignment<'_>) -> Result<(), TeachError> {
    let Assignment { store, source, examples, degree, options, .. } = assignment;
    let (mut done, mut failed, mut answers) = (0, 0, 0);
    for (position, _) in *examples {
        for (index, state) in store.states(ExampleKey::new(*source, *position))? {
            match state {
                State::Done if index < degree.most() => done += 1,
                State::Failed if index < degree.most() => failed += 1,
                State::Partial if index < degree.most() => answers += 1,
                _ => {}
            }
        }
    }
    let total = examples.len() as u64 * u64::from(degree.most());
    let settled = if options.retry_failed { done } else { done + failed };
    if settled < total {
        return Err(BatchError::Missing { missing: total - settled, total, answers, number: *source }.into());
    }
    Ok(())
}
