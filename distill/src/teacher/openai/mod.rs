//! A teacher behind an OpenAI-compatible endpoint.

mod settings;

pub use settings::{Api, Endpoint, Generation, Limits, OpenaiSource, Price, Prompting, Questions};

use super::{Assignment, TeachError};

/// Asks for every missing completion of the assignment.
///
/// # Errors
/// [`TeachError`]; what had arrived is in the store.
pub fn teach(_source: &OpenaiSource, _assignment: &mut Assignment<'_>) -> Result<(), TeachError> {
    unimplemented!()
}
