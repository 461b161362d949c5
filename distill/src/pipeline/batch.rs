//! The files of `batch` teachers: out of the store, and into it.

use std::path::{Path, PathBuf};

use super::{PipelineError, Run};
use crate::experiment::SourcePlan;
use crate::rationale::Store;
use crate::teacher::batch::{self, BatchError, Estimate, Limits, Part, ReadReport, RequestFiles};
use crate::teacher::openai::OpenaiSource;
use crate::teacher::{Assignment, TeachError};

/// Folder of request files in a run's folder.
const REQUESTS: &str = "batch";

/// What was written for a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchWritten {
    /// The request files, in the order in which their requests come.
    pub parts: Vec<Part>,
    /// What they will use, by number of the source.
    pub estimates: Vec<(u32, Estimate)>,
    /// Completions of these sources that failed, and were not asked for again.
    pub failed: u64,
}

impl Run<'_> {
    /// Writes a request for everything that can be asked of the `batch` sources now, into `folder` or else the run's own: all
    /// of it, or nothing.
    ///
    /// # Errors
    /// There is no such source; its examples, its settings or the store cannot be used; a request is larger than a file may
    /// be; the folder cannot be written; somebody asks to stop.
    pub fn write_batch(&mut self, folder: Option<&Path>, limits: Limits) -> Result<BatchWritten, PipelineError> {
        let mut files = RequestFiles::new(&folder.map_or_else(|| self.path(REQUESTS), Path::to_owned), limits);
        let (mut estimates, mut failed) = (Vec::new(), 0);
        self.each_batch(|source, assignment| {
            estimates.push((assignment.source, batch::write(source, assignment, &mut files)?));
            if !assignment.options.retry_failed {
                failed += assignment.store.progress(assignment.source)?.failed;
            }
            Ok(())
        })?;
        let parts = files.publish().map_err(TeachError::from)?;
        Ok(BatchWritten { parts, estimates, failed })
    }

    /// Reads result and error files of the `batch` sources, in any order, in parts, and as often as one likes.
    ///
    /// # Errors
    /// There is no such source; a file cannot be read; the store refuses; somebody asks to stop. What was read before is kept.
    pub fn read_batch(&mut self, files: &[PathBuf]) -> Result<ReadReport, PipelineError> {
        let numbers = self.batch_numbers()?;
        let mut report = batch::survey(&numbers, files).map_err(TeachError::from)?;
        self.each_batch(|source, assignment| {
            report.add(batch::read(source, assignment, files)?);
            Ok(())
        })?;
        Ok(report)
    }

    fn batch_numbers(&self) -> Result<Vec<u32>, PipelineError> {
        let batches = (0..).zip(&self.plan.sources).filter(|(_, source)| matches!(source, SourcePlan::Batch(_)));
        let numbers: Vec<u32> = batches.map(|(number, _)| number).collect();
        if numbers.is_empty() { Err(TeachError::from(BatchError::NoSource).into()) } else { Ok(numbers) }
    }

    fn each_batch(
        &mut self,
        mut visit: impl FnMut(&OpenaiSource, &mut Assignment<'_>) -> Result<(), BatchError>,
    ) -> Result<(), PipelineError> {
        self.batch_numbers()?;
        let (mut store, places): (Store, _) = self.register_examples()?;
        let filter = self.answer_filter();
        for ((number, source), examples) in (0..).zip(&self.plan.sources).zip(&places) {
            let SourcePlan::Batch(source) = source else { continue };
            let mut assignment = Assignment {
                store: &mut store,
                source: number,
                examples,
                degree: source.questions.degree,
                filter: &filter,
                options: &self.teach,
                interrupt: self.interrupt,
            };
            visit(source, &mut assignment).map_err(TeachError::from)?;
        }
        Ok(())
    }
}
