//! What the teachers would ask, and what they could not get.

use super::PipelineError;
use super::data::STORE;
use super::teach::examples;
use crate::dataset::Example;
use crate::experiment::{Plan, SourcePlan};
use crate::rationale::Reader;
use crate::teacher::TeachError;
use crate::teacher::openai::{self, Estimate};

/// What each source with a paid teacher would ask and cost, by its number; nothing is sent, nothing written.
///
/// # Errors
/// The examples, the settings or the store cannot be read.
pub fn estimates(plan: &Plan) -> Result<Vec<(u32, Estimate)>, PipelineError> {
    let reader = reader(plan)?;
    let mut estimates = Vec::new();
    for (number, source) in (0..).zip(&plan.sources) {
        let (SourcePlan::Openai(source) | SourcePlan::Batch(source)) = source else { continue };
        let examples: Vec<(u64, Example)> = (0..).zip(examples(&source.questions)?).collect();
        let estimate = openai::estimate(source, number, &examples, reader.as_ref());
        estimates.push((number, estimate.map_err(TeachError::from)?));
    }
    Ok(estimates)
}

/// Completions that failed, in all sources of a run; none where nothing was taught yet.
///
/// # Errors
/// The store cannot be read.
pub fn completions_failed(plan: &Plan) -> Result<u64, PipelineError> {
    let Some(reader) = reader(plan)? else { return Ok(0) };
    let mut failed = 0;
    for source in reader.sources()? {
        failed += reader.progress(source.number)?.failed;
    }
    Ok(failed)
}

fn reader(plan: &Plan) -> Result<Option<Reader>, PipelineError> {
    let path = plan.folder.join(STORE);
    Ok(if path.exists() { Some(Reader::open(&path)?) } else { None })
}
