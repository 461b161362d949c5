//! A bundle under construction that can already be opened: what is measured is what will be sealed.

use std::io;

use pupil_models::bundle::{self, Bundle, BundleError, BundleWriter, FORMAT_VERSION, Manifest, Parity, Provenance};
use pupil_models::contract::ReasoningContract;
use pupil_models::format::WeightFormat;
use pupil_runtime::{Engine, EngineOptions};

use super::search::Form;
use super::{ExportError, ExportPlan, NativeForms};
use crate::checkpoint::Checkpoint;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::quantize::calibration::CalibrationPlan;

/// A bundle of one form, beside the target; dropped, it is gone.
#[derive(Debug)]
pub(super) struct Staged {
    writer: BundleWriter,
    manifest: Manifest,
}

impl Staged {
    /// Writes every file of the bundle. There can be one at a time for a target.
    pub(super) fn write(
        plan: &ExportPlan<'_>,
        checkpoint: &Checkpoint,
        form: &Form,
        interrupt: &Interrupt,
    ) -> Result<Self, ExportError> {
        let writer = BundleWriter::create(plan.target)?;
        let uncalibrated = NativeForms::new(plan.threads, interrupt.clone(), CalibrationPlan::default());
        let forms = match &plan.quantised {
            Some(quantised) if *form != Form::FLOAT32 => quantised.writer,
            _ => &uncalibrated,
        };
        let weights = forms.write(form, checkpoint, &writer)?;
        writer.add(bundle::CONTRACT, plan.contract.to_json().as_bytes())?;
        writer.add(bundle::GENERATION_CONFIG, generation_config(checkpoint, plan.contract).as_bytes())?;
        // What has no tables is parsed by the library at every start, as `pupil inspect` shows.
        writer.add_tokenizer(&checkpoint.path(bundle::TOKENIZER), plan.questions)?;
        if weights == WeightFormat::Float32 && checkpoint.weights().whole_float32().is_none() {
            // The checkpoint's own would tell Hugging Face tools that the weights are as narrow as they were.
            writer.add(bundle::CONFIG, checkpoint.config().to_json().as_bytes())?;
        } else {
            writer.add_copy(bundle::CONFIG, &checkpoint.path(bundle::CONFIG))?;
        }
        let manifest = Manifest {
            calibration: forms.calibration(form),
            ..manifest(plan, checkpoint, weights, &writer, interrupt)?
        };
        writer.write_manifest(&manifest)?;
        Ok(Self { writer, manifest })
    }

    /// An engine as an app would have it: what is proved is proved of the runtime's defaults.
    pub(super) fn open(&self) -> Result<Engine, ExportError> {
        let staged = Bundle::open(self.writer.staging())?;
        Ok(Engine::open_with(&staged, &EngineOptions::default())?)
    }

    /// Size of graph and weights.
    pub(super) fn bytes(&self) -> u64 {
        let records = [bundle::GRAPH, bundle::WEIGHTS].iter().filter_map(|&name| self.manifest.files.get(name));
        records.map(|record| record.bytes).sum()
    }

    /// Makes the bundle appear, with what was proved about it.
    pub(super) fn seal(mut self, parity: Option<Parity>) -> Result<Manifest, ExportError> {
        self.manifest.parity = parity;
        self.writer.write_manifest(&self.manifest)?;
        self.writer.seal()?;
        Ok(self.manifest)
    }
}

/// Decoding defaults for Hugging Face tools, so that `generate` does there what the runtime does here.
fn generation_config(checkpoint: &Checkpoint, contract: &ReasoningContract) -> String {
    let config = serde_json::json!({
        "do_sample": false,
        "eos_token_id": checkpoint.config().eos_ids,
        "max_new_tokens": contract.completion_budget_tokens(),
    });
    format!("{config:#}\n")
}

fn manifest(
    plan: &ExportPlan<'_>,
    checkpoint: &Checkpoint,
    weights: WeightFormat,
    writer: &BundleWriter,
    interrupt: &Interrupt,
) -> Result<Manifest, ExportError> {
    let digests = Digests::new(checkpoint, writer, interrupt);
    Ok(Manifest {
        format: FORMAT_VERSION,
        family: checkpoint.config().family,
        weights,
        parameters: checkpoint.config().parameter_count(),
        contract: plan.contract.digest(),
        provenance: Provenance {
            name: plan.name.to_owned(),
            created_by: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            checkpoint: digests
                .unless_interrupted(checkpoint.weights().digest_watched(|bytes| digests.watch(bytes)))?,
        },
        parity: None,
        calibration: None,
        files: digests.unless_interrupted(writer.records_watched(&mut |bytes| digests.watch(bytes)))?,
    })
}

/// Digests on their way: of a large student they take seconds.
struct Digests<'a> {
    bar: Progress,
    interrupt: &'a Interrupt,
}

impl<'a> Digests<'a> {
    fn new(checkpoint: &Checkpoint, writer: &BundleWriter, interrupt: &'a Interrupt) -> Self {
        let written = std::fs::metadata(writer.staging().join(bundle::WEIGHTS)).map_or(0, |file| file.len());
        let bytes = checkpoint.weights().len_bytes() as u64 + written;
        Self { bar: Progress::of_bytes("digests", bytes), interrupt }
    }

    fn watch(&self, bytes: usize) -> io::Result<()> {
        self.bar.advance_by(bytes as u64);
        if self.interrupt.is_requested() { Err(io::Error::other("somebody asked to stop")) } else { Ok(()) }
    }

    fn unless_interrupted<T>(&self, result: Result<T, BundleError>) -> Result<T, ExportError> {
        match result {
            Err(_) if self.interrupt.is_requested() => Err(ExportError::Interrupted),
            result => Ok(result?),
        }
    }
}

impl Drop for Digests<'_> {
    fn drop(&mut self) {
        self.bar.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use pupil_models::contract::ReasoningContract;
    use pupil_models::format::PortableWeights;
    use pupil_models::preset::Preset;

    use super::*;
    use crate::random_student::{RandomStudentPlan, WeightElement, write};

    #[test]
    fn whoever_asks_to_stop_stops_the_digests_too_and_nothing_is_left() {
        let root = tempfile::tempdir().unwrap();
        let (student, target) = (root.path().join("student"), root.path().join("bundle"));
        let config = Preset::Micro.config().unwrap();
        let element = WeightElement::BFloat16;
        let plan = RandomStudentPlan { config: &config, seed: 1, element, tokenizer: None, target: &student };
        write(&plan, &Interrupt::new()).unwrap();
        let checkpoint = Checkpoint::open(&student).unwrap();
        let contract = ReasoningContract::read(&student.join(bundle::CONTRACT)).unwrap();
        let plan = ExportPlan {
            checkpoint: &student,
            contract: &contract,
            name: "random",
            questions: &[],
            quantised: None,
            threads: NonZeroUsize::MIN,
            force: false,
            target: &target,
        };
        let writer = BundleWriter::create(&target).unwrap();
        let interrupt = Interrupt::new();
        interrupt.request();
        let stopped = manifest(&plan, &checkpoint, WeightFormat::Float32, &writer, &interrupt);
        assert!(matches!(stopped, Err(ExportError::Interrupted)), "{stopped:?}");
        drop(writer);
        for form in [Form::FOUR, Form::Uniform(WeightFormat::Portable(PortableWeights::Four))] {
            let stopped = Staged::write(&plan, &checkpoint, &form, &interrupt);
            assert!(matches!(stopped, Err(ExportError::Interrupted)), "{stopped:?}");
        }
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
