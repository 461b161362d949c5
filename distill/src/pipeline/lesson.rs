//! What a source is about: its examples, read and checked, and everything that decides what comes of them.

use std::num::NonZeroUsize;

use super::PipelineError;
use super::stage::Inputs;
use crate::dataset::{Dataset, Example, training_subset};
use crate::experiment::SourcePlan;
use crate::rationale::{RationaleRow, SourceRecord};
use crate::teacher::openai::Questions;
use crate::teacher::program::{Exclusions, Items, ProgramTeacher};
use crate::teacher::recorded::RecordedTeacher;
use crate::teacher::teach;

/// What a source is about, read and checked.
pub(super) struct Lesson {
    /// The examples, in the order of the source.
    pub(super) examples: Vec<Example>,
    /// What a teacher that needs no asking wrote about them, in their order.
    pub(super) rows: Vec<RationaleRow>,
    /// Most completions that an example can get.
    pub(super) most_completions: u32,
    /// Something that is no error but should be known.
    pub(super) note: Option<String>,
}

impl Lesson {
    /// Reads what `source` is about; of its training questions at most `most`.
    pub(super) fn of(source: &SourcePlan, most: Option<NonZeroUsize>) -> Result<Self, PipelineError> {
        match source {
            SourcePlan::Program { task, questions, seed, items, exclude } => {
                let exclusions = exclude.as_deref().map(Exclusions::read).transpose()?.unwrap_or_default();
                let items = items.unwrap_or(Items::exactly(task.published_items()));
                let teacher = ProgramTeacher { task: *task, seed: *seed, items };
                let rows = teacher.rationales(*questions, &exclusions)?;
                let examples = rows.iter().map(|row| row.example.clone()).collect();
                Ok(Self { examples, rows, most_completions: 1, note: None })
            }
            SourcePlan::Recorded { data, split, completions, degree } => {
                let dataset = Dataset::read(data)?;
                let examples = limited(dataset.split(&split.path, &split.name)?, most)?;
                let teacher = RecordedTeacher::read_about(completions, *degree, dataset.examples())?;
                let left_out = || format!("`{}`, left out: {}", completions.display(), teacher.unmatched());
                let note = (!teacher.unmatched().is_empty()).then(left_out);
                let rows = teach(&teacher, &examples)?;
                Ok(Self { examples, rows, most_completions: degree.get(), note })
            }
            SourcePlan::Openai(source) | SourcePlan::Batch(source) => Self::asked(&source.questions, most),
            SourcePlan::Bundle(source) => Self::asked(&source.questions, most),
        }
    }

    fn asked(questions: &Questions, most: Option<NonZeroUsize>) -> Result<Self, PipelineError> {
        let dataset = Dataset::read(&questions.data)?;
        let examples = match &questions.split {
            Some(split) => dataset.split(&split.path, &split.name)?,
            None => dataset.examples().to_vec(),
        };
        let examples = limited(examples, most)?;
        Ok(Self { examples, rows: Vec::new(), most_completions: questions.degree.most(), note: None })
    }
}

fn limited(examples: Vec<Example>, most: Option<NonZeroUsize>) -> Result<Vec<Example>, PipelineError> {
    match most {
        Some(most) => Ok(training_subset(examples, most)?),
        None => Ok(examples),
    }
}

/// The source as the store knows it: with everything that decides what is asked, and nothing that decides how fast.
pub(super) fn source_record(number: u32, source: &SourcePlan) -> SourceRecord {
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

/// Everything that decides what comes of a source, among the inputs of the stage.
pub(super) fn describe(inputs: &mut Inputs, index: usize, source: &SourcePlan) -> Result<(), PipelineError> {
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
