//! The stages before training: teach, filter, samples.

use std::collections::HashSet;
use std::path::Path;

use pupil_models::bundle::TOKENIZER;
use pupil_models::durable;
use pupil_models::tokenizer::Tokenizer;

use super::stage::Inputs;
use super::{PipelineError, Run, StageName};
use crate::dataset::Dataset;
use crate::experiment::{Method, SourcePlan, StudentPlan};
use crate::filter::{Filter, Verdict};
use crate::progress::Progress;
use crate::rationale::{self, RationaleRow};
use crate::sample::{self, KeptRationale};
use crate::teacher::program::{Exclusions, Items, ProgramTeacher};
use crate::teacher::recorded::RecordedTeacher;
use crate::teacher::{Taught, teach};
use crate::vocabulary::{self, END_OF_TEXT};

/// Every rationale, as the teachers wrote it.
const RATIONALES: &str = "rationales.jsonl";
/// Those that became training samples.
const KEPT: &str = "kept.jsonl";
/// Those that did not, each with its reason.
const REJECTED: &str = "rejected.jsonl";
/// Token ids and masks.
pub(super) const SAMPLES: &str = "samples.jsonl";

impl Run<'_> {
    pub(super) fn teach(&mut self) -> Result<(), PipelineError> {
        let mut inputs = Inputs::default();
        for (index, source) in self.plan.sources.iter().enumerate() {
            describe(&mut inputs, index, source)?;
        }
        self.once(StageName::Teach, StageName::Teach.as_str(), inputs, |run, _| {
            let (mut rows, mut total) = (Vec::new(), Taught::default());
            for source in &run.plan.sources {
                let (more, taught) = rationales_of(source)?;
                total.examples += taught.examples;
                total.completions += taught.completions;
                total.missing += taught.missing;
                rows.extend(more);
            }
            rationale::write(&run.path(RATIONALES), &rows)?;
            Ok(vec![
                ("examples", total.examples as f64),
                ("completions", total.completions as f64),
                ("examples_without_completion", total.missing as f64),
            ])
        })
    }

    pub(super) fn filter(&mut self) -> Result<(), PipelineError> {
        let mut inputs = Inputs::default();
        inputs.file("rationales", &self.path(RATIONALES))?;
        inputs.settings("grader", &self.plan.filter_grader);
        inputs.settings("contract", &self.plan.contract);
        inputs.settings("method", &self.plan.method);
        self.once(StageName::Filter, StageName::Filter.as_str(), inputs, |run, _| {
            let rows = rationale::read(&run.path(RATIONALES))?;
            if run.plan.method == Method::FineTune {
                return run.keep_every_example(rows);
            }
            let filter = Filter { grader: run.plan.filter_grader, ..Filter::of(&run.plan.contract) };
            let (judged, counts) = filter.filter(rows);
            if counts.kept == 0 {
                return Err(PipelineError::NothingKept { total: counts.total() });
            }
            write_rejected(&run.path(REJECTED), &judged)?;
            let kept: Vec<RationaleRow> =
                judged.into_iter().filter(|(_, verdict)| verdict.is_keep()).map(|(row, _)| row).collect();
            rationale::write(&run.path(KEPT), &kept)?;
            Ok(vec![
                ("kept", counts.kept as f64),
                ("wrong_answer", counts.wrong_answer as f64),
                ("no_answer", counts.no_answer as f64),
                ("empty_rationale", counts.empty_rationale as f64),
            ])
        })
    }

    /// Vanilla fine-tuning learns the gold answer of every question, whatever its teacher wrote.
    fn keep_every_example(&self, rows: Vec<RationaleRow>) -> Result<Vec<(&'static str, f64)>, PipelineError> {
        let mut seen = HashSet::new();
        let kept: Vec<RationaleRow> = rows.into_iter().filter(|row| seen.insert(row.example.id.clone())).collect();
        rationale::write(&self.path(KEPT), &kept)?;
        Ok(vec![("kept", kept.len() as f64)])
    }

    pub(super) fn samples(&mut self) -> Result<(), PipelineError> {
        let mut inputs = Inputs::default();
        inputs.file("kept", &self.path(KEPT))?;
        inputs.settings("contract", &self.plan.contract);
        inputs.settings("context_tokens", &self.plan.student.context_tokens());
        match &self.plan.student {
            StudentPlan::Scratch { vocabulary, .. } => inputs.settings("tokenizer", vocabulary),
            StudentPlan::Checkpoint(checkpoint) => inputs.file("tokenizer", &checkpoint.path(TOKENIZER))?,
        }
        self.once(StageName::Samples, StageName::Samples.as_str(), inputs, |run, _| {
            let kept = rationale::read(&run.path(KEPT))?;
            let (tokenizer, end) = run.tokenizer(&kept)?;
            let context = run.plan.student.context_tokens();
            let ids: Vec<String> = kept.iter().map(RationaleRow::id).collect();
            let rationales = kept.iter().zip(&ids).map(|(row, id)| KeptRationale {
                id,
                question: &row.example.question,
                rationale: &row.completion.rationale,
                gold: &row.example.gold,
            });
            let bar = Progress::new("samples", "rationales", kept.len() as u64, 0);
            let watched = rationales.take_while(|_| !run.interrupt.is_requested()).inspect(|_| bar.advance());
            let encoded = sample::encode_all(&run.plan.contract, &tokenizer, end, context, watched);
            if run.interrupt.is_requested() {
                return Err(PipelineError::Interrupted { stage: StageName::Samples.as_str() });
            }
            bar.finish();
            let set = encoded?;
            sample::write(&run.path(SAMPLES), &set.samples)?;
            let tokens: usize = set.samples.iter().map(|sample| sample.ids.len()).sum();
            let targets: usize = set.samples.iter().map(sample::TrainingSample::target_tokens).sum();
            Ok(vec![
                ("samples", set.samples.len() as f64),
                ("longer_than_context", set.too_long as f64),
                ("tokens", tokens as f64),
                ("target_tokens", targets as f64),
                ("vocabulary", tokenizer.vocab_size() as f64),
            ])
        })
    }

    /// The student's tokenizer, trained on the kept rationales or the checkpoint's own, and the id of its end token.
    fn tokenizer(&self, kept: &[RationaleRow]) -> Result<(Tokenizer, u32), PipelineError> {
        let failed = |error| PipelineError::Bundle(pupil_models::bundle::BundleError::Tokenizer(error));
        match &self.plan.student {
            StudentPlan::Checkpoint(checkpoint) => Ok((checkpoint.tokenizer().clone(), checkpoint.config().eos_ids[0])),
            StudentPlan::Scratch { vocabulary, .. } => {
                let contract = &self.plan.contract;
                let text = |row: &RationaleRow| {
                    let completion = contract.completion(&row.completion.rationale, &row.example.gold);
                    contract.prompt(&row.example.question) + &completion
                };
                let texts: Vec<String> = kept.iter().map(text).collect();
                let path = self.path(TOKENIZER);
                vocabulary::train(*vocabulary, &texts, &path)?;
                let tokenizer = Tokenizer::read(&path).map_err(failed)?;
                let end = tokenizer.token_id(END_OF_TEXT).unwrap_or(0);
                Ok((tokenizer, end))
            }
        }
    }
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
    }
    Ok(())
}

fn rationales_of(source: &SourcePlan) -> Result<(Vec<RationaleRow>, Taught), PipelineError> {
    match source {
        SourcePlan::Program { task, questions, seed, items, exclude } => {
            let exclusions = exclude.as_deref().map(Exclusions::read).transpose()?.unwrap_or_default();
            let items = items.unwrap_or(Items::exactly(task.published_items()));
            let teacher = ProgramTeacher { task: *task, seed: *seed, items };
            let rows = teacher.rationales(*questions, &exclusions)?;
            let taught = Taught { examples: rows.len(), completions: rows.len(), missing: 0 };
            Ok((rows, taught))
        }
        SourcePlan::Recorded { data, split, completions, degree } => {
            let examples = Dataset::read(data)?.split(&split.path, &split.name)?;
            let teacher = RecordedTeacher::read(completions, *degree)?;
            Ok(teach(&teacher, &examples)?)
        }
    }
}

/// One line per rejected rationale: its id, the reason, and what was written.
fn write_rejected(path: &Path, judged: &[(RationaleRow, Verdict)]) -> Result<(), PipelineError> {
    let mut lines = String::new();
    for (row, verdict) in judged {
        if let Verdict::Reject(reason) = verdict {
            let line = serde_json::json!({"id": row.id(), "reason": reason, "gold": row.example.gold, "completion": row.completion});
            lines.extend([line.to_string(), "\n".to_owned()]);
        }
    }
    durable::write(path, lines.as_bytes()).map_err(|source| PipelineError::File { path: path.to_owned(), source })
}
