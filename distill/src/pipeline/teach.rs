//! The stage in which the teachers write rationales.

use std::num::NonZeroUsize;

use super::data::STORE;
use super::stage::Inputs;
use super::{PipelineError, Report, Run, StageName};
use crate::dataset::{Dataset, Example, training_subset};
use crate::experiment::SourcePlan;
use crate::rationale::{ExampleKey, RationaleRow, Record, SourceRecord, Store};
use crate::teacher::openai::Questions;
use crate::teacher::program::{Exclusions, Items, ProgramTeacher};
use crate::teacher::recorded::RecordedTeacher;
use crate::teacher::{Assignment, Shard, batch, bundle, openai, teach};

/// Rows that are written in one transaction where many are there at once.
const BULK_ROWS: usize = 4096;

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
        self.once(StageName::Teach, StageName::Teach.as_str(), inputs, |run, _| {
            // Everything that a user can get wrong is read before there is a store.
            let lessons = run.lessons()?;
            let mut store = Store::open(&run.path(STORE))?;
            if let Some(shard) = run.teach.shard {
                store.set("shard", &shard.to_string())?;
            }
            let mut counts = Taught::default();
            let plan = run.plan;
            for ((number, source), lesson) in (0..).zip(&plan.sources).zip(lessons) {
                run.report_note(lesson.note.as_deref());
                run.register_source(&mut store, number, source, &lesson)?;
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

    /// Registers every source and example of the plan, so that completions from elsewhere find their places.
    ///
    /// # Errors
    /// As teaching would.
    pub fn register(&mut self) -> Result<Store, PipelineError> {
        let lessons = self.lessons()?;
        let mut store = Store::open(&self.path(STORE))?;
        for ((number, source), lesson) in (0..).zip(&self.plan.sources).zip(&lessons) {
            self.register_source(&mut store, number, source, lesson)?;
        }
        Ok(store)
    }

    /// What each source is about, as far as it concerns this shard.
    fn lessons(&self) -> Result<Vec<Lesson>, PipelineError> {
        let read = |source| {
            let lesson = Lesson::of(source, self.plan.training_questions)?;
            Ok(match self.teach.shard {
                Some(shard) => lesson.part(shard),
                None => lesson,
            })
        };
        self.plan.sources.iter().map(read).collect()
    }

    fn register_source(
        &self,
        store: &mut Store,
        number: u32,
        source: &SourcePlan,
        lesson: &Lesson,
    ) -> Result<(), PipelineError> {
        let record = source_record(number, source);
        if self.teach.accept {
            store.accept(&record)?;
        }
        store.register(&record, &lesson.examples)?;
        Ok(store.note_extent(number, lesson.whole_examples, most_completions(source))?)
    }

    fn report_note(&mut self, note: Option<&str>) {
        if let Some(note) = note {
            (self.watch)(Report::Note(note.to_owned()));
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
            filter: &self.answer_filter(),
            options: &self.teach,
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

/// Most completions that an example of the source can get.
fn most_completions(source: &SourcePlan) -> u32 {
    match source {
        SourcePlan::Program { .. } => 1,
        SourcePlan::Recorded { degree, .. } => degree.get(),
        SourcePlan::Openai(source) | SourcePlan::Batch(source) => source.questions.degree.most(),
        SourcePlan::Bundle(source) => source.questions.degree.most(),
    }
}

/// What a source is about, read and checked.
struct Lesson {
    /// The examples, each with its position in the source.
    examples: Vec<(u64, Example)>,
    /// How many examples the source has, in this shard or not.
    whole_examples: u64,
    /// What a teacher that needs no asking wrote about them, in their order.
    rows: Vec<RationaleRow>,
    /// What the user should know about it.
    note: Option<String>,
}

impl Lesson {
    fn of(source: &SourcePlan, most: Option<NonZeroUsize>) -> Result<Self, PipelineError> {
        let limited = |examples| match most {
            Some(most) => Ok::<_, PipelineError>(training_subset(examples, most)?),
            None => Ok(examples),
        };
        let mut note = None;
        let (examples, rows) = match source {
            SourcePlan::Program { task, questions, seed, items, exclude } => {
                let exclusions = exclude.as_deref().map(Exclusions::read).transpose()?.unwrap_or_default();
                let items = items.unwrap_or(Items::exactly(task.published_items()));
                let rows = ProgramTeacher { task: *task, seed: *seed, items }.rationales(*questions, &exclusions)?;
                (rows.iter().map(|row| row.example.clone()).collect(), rows)
            }
            SourcePlan::Recorded { data, split, completions, degree } => {
                let dataset = Dataset::read(data)?;
                let examples = limited(dataset.split(&split.path, &split.name)?)?;
                let teacher = RecordedTeacher::read_about(completions, *degree, dataset.examples())?;
                if !teacher.unmatched().is_empty() {
                    note = Some(format!("`{}`, left out: {}", completions.display(), teacher.unmatched()));
                }
                (examples.clone(), teach(&teacher, &examples)?.0)
            }
            SourcePlan::Openai(source) | SourcePlan::Batch(source) => {
                (limited(examples(&source.questions)?)?, Vec::new())
            }
            SourcePlan::Bundle(source) => (limited(examples(&source.questions)?)?, Vec::new()),
        };
        let whole_examples = examples.len() as u64;
        Ok(Self { examples: (0..).zip(examples).collect(), whole_examples, rows, note })
    }

    /// What belongs to one shard, at its place in the whole.
    fn part(mut self, shard: Shard) -> Self {
        self.examples.retain(|(_, example)| shard.contains(&example.id));
        self.rows.retain(|row| shard.contains(&row.example.id));
        self
    }
}

fn examples(questions: &Questions) -> Result<Vec<Example>, PipelineError> {
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
        SourcePlan::Bundle(source) => (source.name(), source.settings()),
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
