//! What the teachers would ask, and what they could not get.

use super::data::STORE;
use super::lesson::Lesson;
use super::{PipelineError, folder};
use crate::dataset::Example;
use crate::experiment::{Plan, SourcePlan};
use crate::rationale::Reader;
use crate::teacher::openai::{self, Estimate};
use crate::teacher::{Shard, TeachError};

/// What each source with a paid teacher would ask and cost, by its number; nothing is sent, nothing written.
///
/// # Errors
/// The examples, the settings or the store cannot be read.
pub fn estimates(plan: &Plan, shard: Option<Shard>) -> Result<Vec<(u32, Estimate)>, PipelineError> {
    let reader = reader(plan, shard)?;
    let mut estimates = Vec::new();
    for (number, source) in (0..).zip(&plan.sources) {
        let (SourcePlan::Openai(asked) | SourcePlan::Batch(asked)) = source else { continue };
        let is_ours = |example: &Example| shard.is_none_or(|shard| shard.contains(&example.id));
        let examples = Lesson::of(source, plan.training_questions)?.examples;
        let examples: Vec<(u64, Example)> = (0..).zip(examples).filter(|(_, example)| is_ours(example)).collect();
        let estimate = openai::estimate(asked, number, &examples, reader.as_ref());
        estimates.push((number, estimate.map_err(TeachError::from)?));
    }
    Ok(estimates)
}

/// Completions that failed, in all sources of a run; none where nothing was taught yet.
///
/// # Errors
/// The store cannot be read.
pub fn completions_failed(plan: &Plan, shard: Option<Shard>) -> Result<u64, PipelineError> {
    let Some(reader) = reader(plan, shard)? else { return Ok(0) };
    let mut failed = 0;
    for source in reader.sources()? {
        failed += reader.progress(source.number)?.failed;
    }
    Ok(failed)
}

fn reader(plan: &Plan, shard: Option<Shard>) -> Result<Option<Reader>, PipelineError> {
    let path = folder(plan, shard).join(STORE);
    Ok(if path.exists() { Some(Reader::open(&path)?) } else { None })
}
