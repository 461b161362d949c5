//! The stages between teaching and training: filter, samples.

use std::collections::HashSet;

use pupil_models::bundle::TOKENIZER;
use pupil_models::tokenizer::Tokenizer;

use super::stage::Inputs;
use super::{PipelineError, Run, StageName};
use crate::experiment::{Method, StudentPlan};
use crate::filter::{Counts, Filter, Verdict};
use crate::progress::Progress;
use crate::rationale::{RationaleRow, Store, Stored, jsonl};
use crate::sample::{self, KeptRationale};
use crate::vocabulary::{self, END_OF_TEXT};

/// Every rationale, as the teachers wrote it.
pub(super) const STORE: &str = "rationales.db";
/// Those that became training samples.
pub(super) const KEPT: &str = "kept.jsonl";
/// Token ids and masks.
pub(super) const SAMPLES: &str = "samples.jsonl";

impl Run<'_> {
    pub(super) fn filter(&mut self) -> Result<(), PipelineError> {
        let store = self.path(STORE);
        let mut inputs = Inputs::default();
        inputs.digest("rationales", Store::open(&store)?.digest()?);
        inputs.settings("grader", &self.plan.filter_grader);
        inputs.settings("contract", &self.plan.contract);
        inputs.settings("method", &self.plan.method);
        self.once(StageName::Filter, StageName::Filter.as_str(), inputs, |run, _| {
            let mut store = Store::open(&store)?;
            let counts = run.judge(&mut store)?;
            if counts.kept == 0 {
                return Err(PipelineError::NothingKept { total: counts.total() });
            }
            let mut kept = Vec::new();
            store.visit_kept(|stored| {
                kept.push(stored.row);
                Ok::<(), PipelineError>(())
            })?;
            jsonl::write(&run.path(KEPT), &kept)?;
            Ok(vec![
                ("kept", counts.kept as f64),
                ("wrong_answer", counts.wrong_answer as f64),
                ("no_answer", counts.no_answer as f64),
                ("empty_rationale", counts.empty_rationale as f64),
            ])
        })
    }

    /// Gives every rationale in the store its verdict.
    fn judge(&self, store: &mut Store) -> Result<Counts, PipelineError> {
        let filter = self.answer_filter();
        let (mut counts, mut seen, mut verdicts) = (Counts::default(), HashSet::new(), Vec::new());
        store.visit(|Stored { key, row }| {
            // Vanilla fine-tuning learns the gold answer of every question, whatever its teacher wrote.
            let verdict = match self.plan.method {
                Method::FineTune if seen.insert(row.example.id.clone()) => Verdict::Keep,
                Method::FineTune => return Ok::<(), PipelineError>(()),
                Method::FineTuneCot => filter.verdict(&row),
            };
            counts.add(&verdict);
            verdicts.push((key, verdict));
            Ok(())
        })?;
        store.clear_verdicts()?;
        store.put_verdicts(&verdicts)?;
        Ok(counts)
    }

    /// The filter by the teacher's answers.
    pub(super) fn answer_filter(&self) -> Filter {
        Filter { grader: self.plan.filter_grader, ..Filter::of(&self.plan.contract) }
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
            let kept = jsonl::read(&run.path(KEPT))?;
            let (tokenizer, end) = run.tokenizer(&kept)?;
            let context = run.plan.student.context_tokens();
            let ids: Vec<String> = kept.iter().map(RationaleRow::id).collect();
            let rationales = kept.iter().zip(&ids).map(|(row, id)| KeptRationale {
                id,
                question: &row.example.question,
                rationale: row.completion.reasoning(),
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
                    let completion = contract.completion(row.completion.reasoning(), &row.example.gold);
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
