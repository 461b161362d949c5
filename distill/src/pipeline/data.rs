//! The stage between filtering and training: samples.

use pupil_models::bundle::TOKENIZER;
use pupil_models::tokenizer::Tokenizer;

use super::stage::Inputs;
use super::{PipelineError, Run, StageName};
use crate::experiment::StudentPlan;
use crate::numpy;
use crate::progress::Progress;
use crate::rationale::jsonl::{self, KeptRow};
use crate::sample::{self, KeptRationale};
use crate::vocabulary::{self, END_OF_TEXT};

/// Every rationale, as the teachers wrote it.
pub(super) const STORE: &str = "rationales.db";
/// Those that became training samples.
pub(super) const KEPT: &str = "kept.jsonl";
/// Token ids and masks.
pub(super) const SAMPLES: &str = "samples.jsonl";

impl Run<'_> {
    pub(super) fn samples(&mut self) -> Result<(), PipelineError> {
        let mut inputs = Inputs::default();
        inputs.file("kept", &self.path(KEPT))?;
        inputs.settings("contract", &self.plan.contract);
        inputs.settings("context_tokens", &self.plan.student.context_tokens());
        match &self.plan.student {
            StudentPlan::Scratch { vocabulary, .. } => inputs.settings("tokenizer", vocabulary),
            StudentPlan::Checkpoint(checkpoint) => inputs.file("tokenizer", &checkpoint.path(TOKENIZER))?,
        }
        if let Some(count) = self.plan.training_rationales {
            inputs.settings("training_rationales", &count);
        }
        self.once(StageName::Samples, StageName::Samples.as_str(), inputs, |run, _| {
            let kept = run.drawn(jsonl::read(&run.path(KEPT))?)?;
            let (tokenizer, end) = run.tokenizer(&kept)?;
            let context = run.plan.student.context_tokens();
            let ids: Vec<String> = kept.iter().map(|kept| kept.row.id()).collect();
            let rationales = kept.iter().zip(&ids).map(|(KeptRow { row, weight }, id)| KeptRationale {
                id,
                question: &row.example.question,
                rationale: row.completion.reasoning(),
                gold: &row.example.gold,
                weight: *weight,
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
            let mut counts = vec![
                ("samples", set.samples.len() as f64),
                ("longer_than_context", set.too_long as f64),
                ("tokens", tokens as f64),
                ("target_tokens", targets as f64),
                ("vocabulary", tokenizer.vocab_size() as f64),
            ];
            let lighter = set.samples.iter().filter(|sample| !sample.weight.is_full()).count();
            if lighter > 0 {
                let weighed: f64 = set.samples.iter().map(sample::TrainingSample::weighed_tokens).sum();
                counts.extend([("down_weighted", lighter as f64), ("weighed_target_tokens", weighed)]);
            }
            Ok(counts)
        })
    }

    /// As many of the kept rationales as the student is to be trained on, in their order.
    fn drawn(&self, mut kept: Vec<KeptRow>) -> Result<Vec<KeptRow>, PipelineError> {
        let Some(wanted) = self.plan.training_rationales else { return Ok(kept) };
        let (wanted, found) = (wanted.get(), kept.len());
        if wanted > found {
            return Err(PipelineError::TooFewKept { wanted, found });
        }
        let places: Vec<usize> = (0..found).collect();
        let drawn = numpy::subset(&places, 0, wanted);
        let mut place = 0..;
        kept.retain(|_| place.next().is_some_and(|place| drawn.binary_search(&place).is_ok()));
        Ok(kept)
    }

    /// The student's tokenizer, trained on the kept rationales or the checkpoint's own, and the id of its end token.
    fn tokenizer(&self, kept: &[KeptRow]) -> Result<(Tokenizer, u32), PipelineError> {
        let failed = |error| PipelineError::Bundle(pupil_models::bundle::BundleError::Tokenizer(error));
        match &self.plan.student {
            StudentPlan::Checkpoint(checkpoint) => Ok((checkpoint.tokenizer().clone(), checkpoint.config().eos_ids[0])),
            StudentPlan::Scratch { vocabulary, .. } => {
                let contract = &self.plan.contract;
                let text = |KeptRow { row, .. }: &KeptRow| {
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
