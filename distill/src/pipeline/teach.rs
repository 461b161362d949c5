//! The stage in which the teachers write rationales.

use std::collections::HashSet;

use super::data::STORE;
use super::lesson::{Lesson, describe, source_record};
use super::stage::Inputs;
use super::{PipelineError, Report, Run, StageName};
use crate::dataset::Example;
use crate::experiment::SourcePlan;
use crate::rationale::{ExampleKey, RationaleRow, Record, Store};
use crate::teacher::{Assignment, batch, bundle, openai};

/// Rows that are written in one transaction where many are there at once.
const BULK_ROWS: usize = 4096;

/// Examples, each with its position in its source.
pub(super) type Places = Vec<(u64, Example)>;

impl Run<'_> {
    pub(super) fn teach(&mut self) -> Result<(), PipelineError> {
        let mut inputs = Inputs::default();
        for (index, source) in self.plan.sources.iter().enumerate() {
            describe(&mut inputs, index, source)?;
        }
        if let Some(count) = self.plan.training_questions {
            inputs.settings("training_questions", &count);
        }
        if self.teach.accept {
            self.accept(StageName::Teach.as_str(), &inputs)?;
        }
        if self.teach.retry_failed {
            self.reopen()?;
        }
        self.once(StageName::Teach, StageName::Teach.as_str(), inputs, |run, _| {
            let lessons = run.lessons()?;
            let mut store = Store::open(&run.path(STORE))?;
            if let Some(shard) = run.teach.shard {
                store.set("shard", &shard.to_string())?;
            }
            let (mut examples, mut completions, mut failed) = (0, 0, 0);
            let plan = run.plan;
            for ((number, source), lesson) in (0..).zip(&plan.sources).zip(lessons) {
                run.teach_source(&mut store, number, source, lesson)?;
                let progress = store.progress(number)?;
                examples += progress.examples;
                completions += progress.done;
                failed += progress.failed;
            }
            Ok(vec![("examples", examples as f64), ("completions", completions as f64), ("failed", failed as f64)])
        })
    }

    /// Registers every source and example of the plan, so that completions from elsewhere find their places.
    ///
    /// # Errors
    /// As teaching would.
    pub fn register(&mut self) -> Result<Store, PipelineError> {
        Ok(self.register_examples()?.0)
    }

    /// As [`Self::register`]; also the examples of each source, with their positions.
    pub(super) fn register_examples(&mut self) -> Result<(Store, Vec<Places>), PipelineError> {
        let lessons = self.lessons()?;
        let mut store = Store::open(&self.path(STORE))?;
        let plan = self.plan;
        let sources = (0..).zip(&plan.sources).zip(lessons).map(|((number, source), lesson)| {
            self.register_source(&mut store, number, source, lesson.examples, lesson.most_completions)
        });
        let places = sources.collect::<Result<_, _>>()?;
        Ok((store, places))
    }

    /// What the sources are about. Everything that a user can get wrong is read here, before there is a store.
    fn lessons(&mut self) -> Result<Vec<Lesson>, PipelineError> {
        let most = self.plan.training_questions;
        let lessons: Vec<Lesson> =
            self.plan.sources.iter().map(|source| Lesson::of(source, most)).collect::<Result<_, _>>()?;
        for note in lessons.iter().filter_map(|lesson| lesson.note.clone()) {
            (self.watch)(Report::Note(note));
        }
        Ok(lessons)
    }

    /// Registers a source with the examples of this shard; these, with their positions in the whole.
    fn register_source(
        &self,
        store: &mut Store,
        number: u32,
        source: &SourcePlan,
        examples: Vec<Example>,
        most_completions: u32,
    ) -> Result<Places, PipelineError> {
        let whole = examples.len() as u64;
        let is_ours = |example: &Example| self.teach.shard.is_none_or(|shard| shard.contains(&example.id));
        let examples: Places = (0..).zip(examples).filter(|(_, example)| is_ours(example)).collect();
        let record = source_record(number, source);
        if self.teach.accept {
            store.accept(&record)?;
        }
        store.register(&record, &examples)?;
        store.note_extent(number, whole, most_completions)?;
        Ok(examples)
    }

    /// Lets a finished stage go on if some of its completions failed.
    fn reopen(&self) -> Result<(), PipelineError> {
        if super::completions_failed(self.plan, self.teach.shard)? == 0 {
            return Ok(());
        }
        let path = self.path(&format!("{}.stage.toml", StageName::Teach.as_str()));
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(PipelineError::File { path, source }),
            _ => Ok(()),
        }
    }

    fn teach_source(
        &self,
        store: &mut Store,
        number: u32,
        source: &SourcePlan,
        lesson: Lesson,
    ) -> Result<(), PipelineError> {
        let Lesson { examples, rows, most_completions, .. } = lesson;
        let examples = self.register_source(store, number, source, examples, most_completions)?;
        let degree = match source {
            SourcePlan::Program { .. } | SourcePlan::Recorded { .. } => return keep(store, number, &examples, rows),
            SourcePlan::Openai(asked) | SourcePlan::Batch(asked) => asked.questions.degree,
            SourcePlan::Bundle(asked) => asked.questions.degree,
        };
        let mut assignment = Assignment {
            store,
            source: number,
            examples: &examples,
            degree,
            filter: &self.answer_filter(),
            options: &self.teach,
            interrupt: self.interrupt,
        };
        match source {
            SourcePlan::Program { .. } | SourcePlan::Recorded { .. } => {}
            SourcePlan::Openai(asked) => openai::teach(asked, &mut assignment)?,
            SourcePlan::Batch(asked) => batch::teach(asked, &mut assignment)?,
            SourcePlan::Bundle(asked) => bundle::teach(asked, &mut assignment)?,
        }
        Ok(())
    }
}

/// Stores what a teacher that needs no asking wrote about `examples`; `rows` may be about others, too.
fn keep(
    store: &mut Store,
    number: u32,
    examples: &[(u64, Example)],
    rows: Vec<RationaleRow>,
) -> Result<(), PipelineError> {
    let ours: HashSet<&str> = examples.iter().map(|(_, example)| example.id.as_str()).collect();
    let mut places = examples.iter().peekable();
    let mut records = Vec::with_capacity(BULK_ROWS);
    for row in rows.into_iter().filter(|row| ours.contains(row.example.id.as_str())) {
        // Rows come in the order of the examples; one may have several, or none.
        while places.next_if(|(_, example)| example.id != row.example.id).is_some() {}
        let Some((position, _)) = places.peek() else { break };
        records.push(Record::done(ExampleKey::new(number, *position), row.completion));
        if records.len() == BULK_ROWS {
            store.put(&records)?;
            records.clear();
        }
    }
    Ok(store.put(&records)?)
}
