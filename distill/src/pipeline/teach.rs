//! The stage in which the teachers write rationales.

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
        if self.teach.retry_failed {
            self.reopen()?;
        }
        self.once(StageName::Teach, StageName::Teach.as_str(), inputs, |run, _| {
            // Everything that a user can get wrong is read before there is a store.
            let lessons: Vec<Lesson> = run.plan.sources.iter().map(Lesson::of).collect::<Result<_, _>>()?;
            let mut store = Store::open(&run.path(STORE))?;
            let mut counts = Taught::default();
            for ((number, source), lesson) in (0..).zip(&run.plan.sources).zip(lessons) {
                store.register(&source_record(number, source), &lesson.examples)?;
                run.teach_source(&mut store, number, source, &lesson)?;
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

    /// Lets a finished stage go on if some of its completions failed.
    fn reopen(&self) -> Result<(), PipelineError> {
        if super::completions_failed(self.plan)? == 0 {
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
        lesson: &Lesson,
    ) -> Result<(), PipelineError> {
        let Some(questions) = questions_of(source) else { return keep(store, number, lesson) };
        let mut assignment = Assignment {
            store,
            source: number,
            examples: &lesson.examples,
            degree: questions.degree,
            filter: self.answer_filter(),
            options: self.teach,
            interrupt: self.interrupt,
        };
        match source {
            SourcePlan::Program { .. } | SourcePlan::Recorded { .. } => {}
            SourcePlan::Openai(openai) => openai::teach(openai, &mut assignment)?,
            SourcePlan::Batch(batch) => batch::teach(batch, &mut assignment)?,
            SourcePlan::Bundle(bundle) => bundle::teach(bundle, &mut assignment)?,
        }
        Ok(())
    }
}

/// What a teacher is asked, if it is one that is asked.
fn questions_of(source: &SourcePlan) -> Option<&Questions> {
    match source {
        SourcePlan::Program { .. } | SourcePlan::Recorded { .. } => None,
        SourcePlan::Openai(source) | SourcePlan::Batch(source) => Some(&source.questions),
        SourcePlan::Bundle(source) => Some(&source.questions),
    }
}

/// What a source is about, read and checked.
struct Lesson {
    /// The examples, each with its position in the source.
    examples: Vec<(u64, Example)>,
    /// What a teacher that needs no asking wrote about them, in their order.
    rows: Vec<RationaleRow>,
}

impl Lesson {
    fn of(source: &SourcePlan) -> Result<Self, PipelineError> {
        let (examples, rows) = match source {
            SourcePlan::Program { task, questions, seed, items, exclude } => {
                let exclusions = exclude.as_deref().map(Exclusions::read).transpose()?.unwrap_or_default();
                let items = items.unwrap_or(Items::exactly(task.published_items()));
                let rows = ProgramTeacher { task: *task, seed: *seed, items }.rationales(*questions, &exclusions)?;
                (rows.iter().map(|row| row.example.clone()).collect(), rows)
            }
            SourcePlan::Recorded { data, split, completions, degree } => {
                let examples = Dataset::read(data)?.split(&split.path, &split.name)?;
                let (rows, _) = teach(&RecordedTeacher::read(completions, *degree)?, &examples)?;
                (examples, rows)
            }
            SourcePlan::Openai(source) | SourcePlan::Batch(source) => (examples(&source.questions)?, Vec::new()),
            SourcePlan::Bundle(source) => (examples(&source.questions)?, Vec::new()),
        };
        Ok(Self { examples: (0..).zip(examples).collect(), rows })
    }
}

pub(super) fn examples(questions: &Questions) -> Result<Vec<Example>, PipelineError> {
    let dataset = Dataset::read(&questions.data)?;
    match &questions.split {
        Some(split) => Ok(dataset.split(&split.path, &split.name)?),
        None => Ok(dataset.examples().to_vec()),
    }
}

/// Sums over all sources.
#[derive(Default)]
struct Taught {
    examples: u64,
    completions: u64,
    failed: u64,
}

/// Stores what a teacher that needs no asking wrote.
fn keep(store: &mut Store, number: u32, lesson: &Lesson) -> Result<(), PipelineError> {
    let mut places = lesson.examples.iter().peekable();
    let mut records = Vec::with_capacity(BULK_ROWS);
    for row in &lesson.rows {
        // Rows come in the order of the examples; one may have several, or none.
        while places.next_if(|(_, example)| example.id != row.example.id).is_some() {}
        let Some((position, _)) = places.peek() else { break };
        records.push(Record::done(ExampleKey::new(number, *position), row.completion.clone()));
        if records.len() == BULK_ROWS {
            store.put(&records)?;
            records.clear();
        }
    }
    Ok(store.put(&records)?)
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
