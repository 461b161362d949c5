//! Exports in other forms than float32: what is tried, what is chosen, and what the manifest then says.
//!
//! The forms stand in for quantised ones: float32 graphs in which a matrix of 4 bits is rounded as 4 bits round it, or worse.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use prost::Message;
use pupil_distill::checkpoint::{Checkpoint, write_weights};
use pupil_distill::dataset::Example;
use pupil_distill::export::search::Form;
use pupil_distill::export::{ExportError, ExportPlan, FormWriter, QuantisedPlan, build, export, export_unproved};
use pupil_distill::interrupt::Interrupt;
use pupil_models::bundle::{Bundle, BundleWriter, GRAPH, MANIFEST, Manifest, WEIGHTS, WeightsFile};
use pupil_models::contract::{Budgets, ReasoningContract};
use pupil_models::family::{self, NativeTensor, WeightShape, native_tensors};
use pupil_models::format::WeightFormat;
use pupil_models::packed::Precision;
use pupil_runtime::{Engine, Request};
use tempfile::TempDir;

use crate::students::{tiny, write_checkpoint};

/// Writes float32 bundles whose matrices in 4 bits are off by this share of themselves, up and down in turns.
#[derive(Debug)]
struct StandIn {
    share: fn(&str) -> f32,
}

impl FormWriter for StandIn {
    fn write(&self, form: &Form, checkpoint: &Checkpoint, bundle: &BundleWriter) -> Result<WeightFormat, ExportError> {
        let mut values = Vec::new();
        for tensor in native_tensors(checkpoint.config()) {
            let NativeTensor::Matrix(matrix) = tensor else { continue };
            let is_rounded = form.precision(&matrix.name) == Some(Precision::Four);
            let share = if is_rounded { (self.share)(&matrix.name) } else { 0.0 };
            values.extend(matrix.sources.into_iter().map(|(source, _)| (source, share)));
        }
        let table = family::weights(checkpoint.config());
        let flat: Vec<f32> = table.iter().flat_map(|weight| off(checkpoint, weight, &values)).collect();
        let path = bundle.staging().join(WEIGHTS);
        write_weights(&path, &table, &flat).unwrap();
        let graph = build(checkpoint.config(), WeightFormat::Float32, &WeightsFile::open(&path)?)?;
        bundle.add(GRAPH, &graph.encode_to_vec())?;
        Ok(WeightFormat::Float32)
    }
}

fn off(checkpoint: &Checkpoint, weight: &WeightShape, shares: &[(String, f32)]) -> Vec<f32> {
    let share = shares.iter().find(|(name, _)| *name == weight.name).map_or(0.0, |(_, share)| *share);
    let values = checkpoint.weights().flat_values(std::slice::from_ref(weight)).unwrap();
    let turned = |(index, value): (usize, f32)| value * if index % 3 == 0 { 1.0 + share } else { 1.0 - share };
    values.into_iter().enumerate().map(turned).collect()
}

/// A checkpoint, and questions with the answers that it gives itself.
struct Bench {
    folder: TempDir,
    contract: ReasoningContract,
    examples: Vec<Example>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let contract = ReasoningContract {
            budgets: Budgets { rationale_tokens: 6, answer_tokens: 6 },
            ..crate::contract::contract()
        };
        let checkpoint = folder.path().join("checkpoint");
        write_checkpoint(&checkpoint, &tiny(), 1);
        let float32 = folder.path().join("float32");
        export_unproved(&checkpoint, &contract, "tiny", &float32).unwrap();
        let mut engine = Engine::open(&float32).unwrap();
        let answered = |number: usize| {
            let question = format!("What is {number}?");
            let solution = engine.solve(&question, &Request::default()).unwrap();
            let gold = pupil_distill::eval::Grading::of(engine.contract());
            let marker = gold.marker.as_deref();
            let prediction = gold.grader.predict(gold.kind, &solution.completion, marker)?;
            Some(Example::new("tiny", &number.to_string(), question, prediction.text()))
        };
        let examples: Vec<Example> = (0..260).filter_map(answered).collect();
        fs::remove_dir_all(float32).unwrap();
        Self { folder, contract, examples }
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("bundle")
    }

    fn export(&self, form: Option<Form>, writer: &StandIn, force: bool) -> Result<Manifest, ExportError> {
        let questions: Vec<String> = (0..8).map(|number| format!("What is {number} and {number}?")).collect();
        let quantised = QuantisedPlan { form, within: "2pp".parse().unwrap(), examples: &self.examples, writer };
        let plan = ExportPlan {
            checkpoint: &self.folder.path().join("checkpoint"),
            contract: &self.contract,
            name: "tiny",
            questions: &questions,
            quantised: Some(quantised),
            threads: NonZeroUsize::MIN,
            force,
            target: &self.target(),
        };
        export(&plan, &Interrupt::new())
    }

    fn names(&self) -> Vec<String> {
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| name(entry.unwrap())).collect();
        names.sort_unstable();
        names
    }
}

/// Only the matrices that write a layer's attention matter; all others are stored without loss.
const ATTENTION_MATTERS: StandIn = StandIn { share: |name| if name.ends_with("o_proj.weight") { 0.5 } else { 0.0 } };
/// Nothing is lost in any form.
const LOSSLESS: StandIn = StandIn { share: |_| 0.0 };
/// Every matrix in 4 bits is worthless.
const WORTHLESS: StandIn = StandIn { share: |_| 3.0 };

#[test]
fn the_smallest_form_is_exported_if_nothing_is_lost() {
    let bench = Bench::new();
    assert!(bench.examples.len() >= 200, "{}", bench.examples.len());
    let manifest = bench.export(None, &LOSSLESS, false).unwrap();
    let parity = manifest.parity.unwrap();
    let forms: Vec<&str> = parity.ladder.iter().map(|rung| rung.form.as_str()).collect();
    assert_eq!(forms, ["float32", "native-4"]);
    let gate = parity.gate.unwrap();
    assert_eq!((gate.form.as_str(), gate.inside, gate.within_points), ("native-4", true, 2.0));
    let [float32, four] = [0, 1].map(|row: usize| &parity.ladder[row]);
    assert_eq!((four.greedy.equal, four.completions.positions), (8, float32.completions.positions));
    assert_eq!(four.answers, float32.answers);
    Bundle::open(bench.target()).unwrap().verify().unwrap();
    assert_eq!(bench.names(), ["bundle", "checkpoint"]);
}

#[test]
fn a_mixture_is_found_and_the_bundle_is_of_the_form_that_the_manifest_names() {
    let bench = Bench::new();
    let manifest = bench.export(None, &ATTENTION_MATTERS, false).unwrap();
    let parity = manifest.parity.clone().unwrap();
    let forms: Vec<&str> = parity.ladder.iter().map(|rung| rung.form.as_str()).collect();
    assert_eq!(forms[..4], ["float32", "native-4", "native-4, tokens in 8 bit", "native-8"], "{forms:?}");
    let [float32, four, .., eight] = [0, 1, 2, 3].map(|row: usize| &parity.ladder[row]);
    assert!(four.completions.mean_kl > 1e-3 && four.answers.unwrap().correct_to_wrong > 0, "{four:?}");
    assert_eq!(eight.answers, float32.answers);
    let gate = parity.gate.unwrap();
    assert!(gate.inside && gate.form != "native-4", "{gate:?}");
    let chosen = parity.ladder.iter().find(|rung| rung.form == gate.form).unwrap();
    assert!(chosen.answers.unwrap().low_points >= -2.0, "{chosen:?}");
    // The bundle holds that form, written again if others were tried after it.
    let bundle = Bundle::open(bench.target()).unwrap();
    bundle.verify().unwrap();
    assert_eq!(bundle.manifest().files, manifest.files);
    let written = fs::read(bundle.path(MANIFEST)).unwrap();
    bench.export(None, &ATTENTION_MATTERS, false).unwrap();
    assert!(fs::read(bundle.path(MANIFEST)).unwrap() == written, "the same checkpoint, the same bytes");
}

#[test]
fn a_form_outside_gets_no_bundle_unless_it_is_forced() {
    let bench = Bench::new();
    let error = bench.export(Some(Form::FOUR), &WORTHLESS, false).unwrap_err();
    assert!(matches!(&error, ExportError::Outside { form, .. } if form == "native-4"), "{error}");
    assert_eq!(bench.names(), ["checkpoint"]);
    let manifest = bench.export(Some(Form::FOUR), &WORTHLESS, true).unwrap();
    let parity = manifest.parity.unwrap();
    let gate = parity.gate.unwrap();
    assert_eq!((gate.form.as_str(), gate.inside), ("native-4", false));
    let answers = parity.ladder[1].answers.unwrap();
    assert!(answers.questions == bench.examples.len() && answers.low_points < -2.0, "{answers:?}");
    Bundle::open(bench.target()).unwrap();
}

#[test]
fn an_interrupted_trial_leaves_nothing() {
    #[derive(Debug)]
    struct Interrupting(Interrupt);
    impl FormWriter for Interrupting {
        fn write(&self, form: &Form, from: &Checkpoint, to: &BundleWriter) -> Result<WeightFormat, ExportError> {
            self.0.request();
            LOSSLESS.write(form, from, to)
        }
    }
    let bench = Bench::new();
    let interrupt = Interrupt::new();
    let writer = Interrupting(interrupt.clone());
    let quantised =
        QuantisedPlan { form: None, within: "2pp".parse().unwrap(), examples: &bench.examples, writer: &writer };
    let (checkpoint, target) = (bench.folder.path().join("checkpoint"), bench.target());
    let questions = ["What is 1?".to_owned()];
    let plan = ExportPlan {
        checkpoint: Path::new(&checkpoint),
        contract: &bench.contract,
        name: "tiny",
        questions: &questions,
        quantised: Some(quantised),
        threads: NonZeroUsize::MIN,
        force: false,
        target: &target,
    };
    assert!(matches!(export(&plan, &interrupt), Err(ExportError::Interrupted)));
    assert_eq!(bench.names(), ["checkpoint"]);
}
