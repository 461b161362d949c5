//! The stage in which the teachers write rationales.

use std::collections::HashSet;

use super::data::STORE;
use super::stage::Inputs;
use super::{PipelineError, Run, StageName};
use crate::dataset::{Dataset, Example};
use crate::experiment::SourcePlan;
use crate::rationale::{ExampleKey, RationaleRow, Record, SourceRecord, Store};
use crate::teacher::openai::Questions;
use crate::teacher::program::{Exclusions, Items, ProgramTeacher};
use crate::teacher::recorded::RecordedTeacher;
use crate::teacher::{Assignment, batch, bundle, openai, teach};

/// Rows that are written in one transaction where many are there at once.
const BULK_ROWS: usize = 4096;

impl Run<'_> {
    pub(super) fn teach(&mut self) -> Result<(), PipelineError> {
        let mut inputs = Inputs::default();
        for (index, source) in self.plan.sources.iter().enumerate() {
            describe(&mut inputs, index, source)?;
        }
        if self.teach.accept {
            self.accept(StageName::Teach.as_str(), &inputs)?;
        }
        self.once(StageName::Teach, StageName::Teach.as_str(), inputs, |run, _| {
            let mut store = Store::open(&run.path(STORE))?;
            if let Some(shard) = run.teach.shard {
                store.set("shard", &shard.to_string())?;
            }
            let mut counts = Taught::default();
            for (number, source) in (0..).zip(&run.plan.sources) {
                run.teach_source(&mut store, number, source)?;
                let progress = store.progress(number)?;
                counts.examples += progress.examples;
                counts.completions += progress.done;
                counts.failed += progress.failed;
            }
            Ok(vec![
                ("examples", counts.examples as f64),
                ("completions", counts.completions as f64),
                ("failed", counts.failed as f64),
            ])
        })
    }

    /// Registers every source and example of the plan, so that completions from elsewhere find their places.
    ///
    /// # Errors
    /// As teaching would.
    pub fn register(&mut self) -> Result<Store, PipelineError> {
        let mut store = Store::open(&self.path(STORE))?;
        for (number, source) in (0..).zip(&self.plan.sources) {
            let (examples, most) = match source {
                SourcePlan::Program { task, questions, seed, items, exclude } => {
                    let exclusions = exclude.as_deref().map(Exclusions::read).transpose()?.unwrap_or_default();
                    let items = items.unwrap_or(Items::exactly(task.published_items()));
                    let teacher = ProgramTeacher { task: *task, seed: *seed, items };
                    let rows = teacher.rationales(*questions, &exclusions)?;
                    (rows.into_iter().map(|row| row.example).collect(), 1)
                }
                SourcePlan::Recorded { data, split, degree, .. } => {
                    (Dataset::read(data)?.split(&split.path, &split.name)?, degree.get())
                }
                SourcePlan::Openai(asked) | SourcePlan::Batch(asked) => {
                    (examples_of(&asked.questions)?, asked.questions.degree.most())
                }
                SourcePlan::Bundle(asked) => (examples_of(&asked.questions)?, asked.questions.degree.most()),
            };
            self.register_source(&mut store, number, source, examples, most)?;
        }
        Ok(store)
    }

    /// Registers a source with the examples of this shard; these, with their positions in the whole.
    fn register_source(
        &self,
        store: &mut Store,
        number: u32,
        source: &SourcePlan,
        examples: Vec<Example>,
        most_completions: u32,
    ) -> Result<Vec<(u64, Example)>, PipelineError> {
        let whole = examples.len() as u64;
        let is_ours = |example: &Example| self.teach.shard.is_none_or(|shard| shard.contains(&example.id));
        let examples: Vec<(u64, Example)> = (0..).zip(examples).filter(|(_, example)| is_ours(example)).collect();
        let record = source_record(number, source);
        if self.teach.accept {
            store.accept(&record)?;
        }
        store.register(&record, &examples)?;
        store.note_extent(number, whole, most_completions)?;
        Ok(examples)
    }

    fn teach_source(&self, store: &mut Store, number: u32, source: &SourcePlan) -> Result<(), PipelineError> {
        match source {
            SourcePlan::Program { task, questions, seed, items, exclude } => {
                let exclusions = exclude.as_deref().map(Exclusions::read).transpose()?.unwrap_or_default();
                let items = items.unwrap_or(Items::exactly(task.published_items()));
                let teacher = ProgramTeacher { task: *task, seed: *seed, items };
                let rows = teacher.rationales(*questions, &exclusions)?;
                let examples = rows.iter().map(|row| row.example.clone()).collect();
                let examples = self.register_source(store, number, source, examples, 1)?;
                keep(store, number, &examples, rows)
            }
            SourcePlan::Recorded { data, split, completions, degree } => {
                let examples = Dataset::read(data)?.split(&split.path, &split.name)?;
                let teacher = RecordedTeacher::read(completions, *degree)?;
                let (rows, _) = teach(&teacher, &examples)?;
                let examples = self.register_source(store, number, source, examples, degree.get())?;
                keep(store, number, &examples, rows)
            }
            SourcePlan::Openai(openai) => {
                self.ask(store, number, source, &openai.questions, |assignment| openai::teach(openai, assignment))
            }
            SourcePlan::Batch(batch) => {
                self.ask(store, number, source, &batch.questions, |assignment| batch::teach(batch, assignment))
            }
            SourcePlan::Bundle(bundle) => {
                self.ask(store, number, source, &bundle.questions, |assignment| bundle::teach(bundle, assignment))
            }
        }
    }

    /// Lets a teacher that is asked live do its assignment.
    fn ask(
        &self,
        store: &mut Store,
        number: u32,
        source: &SourcePlan,
        questions: &Questions,
        work: impl FnOnce(&mut Assignment<'_>) -> Result<(), crate::teacher::TeachError>,
    ) -> Result<(), PipelineError> {
        let examples = examples_of(questions)?;
        let examples = self.register_source(store, number, source, examples, questions.degree.most())?;
        let mut assignment = Assignment {
            store,
            source: number,
            examples: &examples,
            degree: questions.degree,
            filter: &self.answer_filter(),
            options: &self.teach,
            interrupt: self.interrupt,
        };
        Ok(work(&mut assignment)?)
    }
}

fn examples_of(questions: &Questions) -> Result<Vec<Example>, PipelineError> {
    let dataset = Dataset::read(&questions.data)?;
    Ok(match &questions.split {
        Some(split) => dataset.split(&split.path, &split.name)?,
        None => dataset.examples().to_vec(),
    })
}

/// Sums over all sources.
#[derive(Default)]
struct Taught {
    examples: u64,
    completions: u64,
    failed: u64,
}

/// Stores what a teacher that needs no asking wrote.
fn keep(
    store: &mut Store,
    number: u32,
    examples: &[(u64, Example)],
    rows: Vec<RationaleRow>,
) -> Result<(), PipelineError> {
    let ours: HashSet<&str> = examples.iter().map(|(_, example)| example.id.as_str()).collect();
    let mut places = examples.iter();
    let mut place = places.next();
    let mut records = Vec::with_capacity(rows.len());
    for row in rows.into_iter().filter(|row| ours.contains(row.example.id.as_str())) {
        // Rows come in the order of the examples; one may have several, or none.
        while place.is_some_and(|(_, example)| example.id != row.example.id) {
            place = places.next();
        }
        if let Some((position, _)) = place {
            records.push(Record::done(ExampleKey::new(number, *position), row.completion));
        }
    }
    for bulk in records.chunks(BULK_ROWS) {
        store.put(bulk)?;
    }
    Ok(())
}

/// The source as the store knows it: with everything that decides what is asked, and nothing that decides how fast.
fn source_record(number: u32, source: &SourcePlan) -> SourceRecord {
    let (teacher, settings) = match source {
        SourcePlan::Program { task, questions, seed, items, .. } => (
            ProgramTeacher::NAME.to_owned(),
            serde_json::json!({"task": task, "questions": questions, "seed": seed, "items": items}),
        ),
        SourcePlan::Recorded { completions, degree, .. } => {
            (RecordedTeacher::name_of(completions), serde_json::json!({"degree": degree}))
        }
        SourcePlan::Openai(source) | SourcePlan::Batch(source) => (
            source.endpoint.model.clone(),
            serde_json::json!({
                "api": source.endpoint.api, "system": source.endpoint.system, "prompting": source.prompting,
                "generation": source.generation,
            }),
        ),
        SourcePlan::Bundle(source) => {
            let name = source.bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, serde_json::json!({"generation": source.generation}))
        }
    };
    SourceRecord { number, teacher, settings: settings.to_string() }
}

fn describe(inputs: &mut Inputs, index: usize, source: &SourcePlan) -> Result<(), PipelineError> {
    let name = |part: &str| format!("source.{index}.{part}");
    match source {
        SourcePlan::Program { task, questions, seed, items, exclude } => {
            inputs.settings(&name("program"), &(task, questions, seed, items));
            if let Some(path) = exclude {
                inputs.file(&name("exclude"), path)?;
            }
        }
        SourcePlan::Recorded { data, split, completions, degree } => {
            inputs.settings(&name("degree"), &(degree, &split.name));
            inputs.file(&name("data"), data)?;
            inputs.file(&name("split"), &split.path)?;
            inputs.file(&name("completions"), completions)?;
        }
        SourcePlan::Openai(asked) | SourcePlan::Batch(asked) => {
            describe_questions(inputs, &name, &asked.questions)?;
            inputs.settings(&name("asked"), &source_record(index as u32, source).settings);
            if let Some(path) = &asked.exemplars {
                inputs.file(&name("exemplars"), path)?;
            }
        }
        SourcePlan::Bundle(asked) => {
            describe_questions(inputs, &name, &asked.questions)?;
            inputs.settings(&name("asked"), &source_record(index as u32, source).settings);
            inputs.file(&name("bundle"), &asked.bundle.join(pupil_models::bundle::MANIFEST))?;
        }
    }
    Ok(())
}

fn describe_questions(
    inputs: &mut Inputs,
    name: &impl Fn(&str) -> String,
    questions: &Questions,
) -> Result<(), PipelineError> {
    inputs.settings(&name("degree"), &questions.degree);
    inputs.file(&name("data"), &questions.data)?;
    if let Some(split) = &questions.split {
        inputs.file(&name("split"), &split.path)?;
        inputs.settings(&name("split_name"), &split.name);
    }
    Ok(())
}
