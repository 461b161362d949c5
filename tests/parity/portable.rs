//! Portable bundles: stock operators compute with the quantised weights what libtorch does with what those stand for, other
//! runtimes read them, and calibration is worth its time.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use pupil_distill::checkpoint::{Checkpoint, write_weights};
use pupil_distill::export::parity::Tolerance;
use pupil_distill::export::proto::{Attribute, Graph, Model, Node, code};
use pupil_distill::export::{ExportPlan, NativeForms, QuantisedPlan, RotaryTable, export_without_parity, rotary_table};
use pupil_distill::filter::SampleWeight;
use pupil_distill::interrupt::Interrupt;
use pupil_distill::quantize::calibration::{Calibration, CalibrationPlan, Calibrator};
use pupil_distill::quantize::{Bits, BlockFormat, Fitting, QuantizedMatrix, Quantizer};
use pupil_distill::rationale::RationaleRow;
use pupil_distill::sample::{KeptRationale, TrainingSample};
use pupil_distill::student::ReferenceStudent;
use pupil_distill::teacher::program::{Exclusions, Items, ProgramTask, ProgramTeacher};
use pupil_models::bundle::{Bundle, BundleError, CONFIG, FileRecord, GRAPH, MANIFEST, Manifest, TOKENIZER, WEIGHTS};
use pupil_models::config::StudentConfig;
use pupil_models::contract::ReasoningContract;
use pupil_models::digest::Digest;
use pupil_models::family::{Anatomy, Family, weights};
use pupil_models::format::{PortableWeights, WeightFormat};
use pupil_runtime::{Engine, RationaleExhausted, Request, RequestBuilder};

use crate::contract::contract;
use crate::students::{tiny, write_checkpoint};

const FORMATS: [PortableWeights; 3] = [PortableWeights::Four, PortableWeights::Eight, PortableWeights::Channels];

/// Relative error of logits that comes of keys, values, queries and rotary tables of 11 bits.
const FLOAT16_ATTENTION: f64 = 5e-3;

/// Every peculiarity that the graph has to handle: biases, a head of its own, and a width that does not fill its last block.
fn peculiar() -> StudentConfig {
    StudentConfig { family: Family::Qwen2, hidden_size: 48, intermediate_size: 80, tied_head: false, ..tiny() }
}

pub(crate) fn export(checkpoint: &Path, format: PortableWeights, calibration: CalibrationPlan, target: &Path) {
    let (contract, threads, interrupt) = (contract(), NonZeroUsize::new(2).unwrap(), Interrupt::new());
    let writer = NativeForms::new(threads, interrupt.clone(), calibration);
    let quantised = QuantisedPlan { form: None, within: Tolerance::ONE_POINT, examples: &[], writer: &writer };
    let plan = ExportPlan {
        checkpoint,
        contract: &contract,
        name: "random",
        questions: &[],
        quantised: Some(quantised),
        threads,
        force: false,
        target,
    };
    export_without_parity(&plan, WeightFormat::Portable(format), &interrupt).unwrap();
}

/// Makes the bundle's block products compute in float32, and its attention too where `rotary` has the table for it.
fn compute_in_float32(bundle: &Path, rotary: Option<&RotaryTable>) {
    let mut model = Model::decode(fs::read(bundle.join(GRAPH)).unwrap().as_slice()).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    let levels = attributes.filter(|attribute| attribute.name == "accuracy_level");
    assert!(levels.map(|attribute| attribute.i = 0).count() > 0, "block products");
    if let Some(rotary) = rotary {
        attend_in_float32(graph, rotary);
    }
    let graph = model.encode_to_vec();
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(bundle.join(MANIFEST)).unwrap()).unwrap();
    let sha256 = Digest::of_reader(graph.as_slice()).unwrap();
    manifest.files.insert(GRAPH.to_owned(), FileRecord { bytes: graph.len() as u64, sha256 });
    fs::write(bundle.join(GRAPH), graph).unwrap();
    fs::write(bundle.join(MANIFEST), serde_json::to_string(&manifest).unwrap()).unwrap();
}

/// Has attention read and write float32; only what is cached is still rounded, which a single pass over all positions never reads.
fn attend_in_float32(graph: &mut Graph, rotary: &RotaryTable) {
    let cast = |from: &str, to: &str, element: i32| Node {
        input: vec![from.to_owned()],
        output: vec![to.to_owned()],
        op_type: "Cast".to_owned(),
        attribute: vec![Attribute {
            name: "to".to_owned(),
            i: i64::from(element),
            r#type: code::ATTRIBUTE_INT,
            ..Attribute::default()
        }],
        ..Node::default()
    };
    for mut node in std::mem::take(&mut graph.node) {
        if node.op_type == "Cast" && node.attribute[0].i == i64::from(code::FLOAT16) {
            node.attribute[0].i = i64::from(code::FLOAT);
        }
        let mut cached = Vec::new();
        if node.op_type == "GroupQueryAttention" {
            for past in &mut node.input[3..5] {
                let wide = format!("{past}/float32");
                graph.node.push(cast(past, &wide, code::FLOAT));
                *past = wide;
            }
            for present in &mut node.output[1..3] {
                let wide = format!("{present}/float32");
                cached.push(cast(&wide, present, code::FLOAT16));
                *present = wide;
            }
        }
        graph.node.push(node);
        graph.node.extend(cached);
    }
    for tensor in &mut graph.initializer {
        let values = match tensor.name.as_str() {
            "rotary_cosine" => &rotary.cosine,
            "rotary_sine" => &rotary.sine,
            _ => continue,
        };
        tensor.data_type = code::FLOAT;
        tensor.raw_data = Some(values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }
}

/// A checkpoint of what rounding makes of `checkpoint`'s weights.
fn write_rounded(checkpoint: &Path, bits: Bits, target: &Path) {
    let opened = Checkpoint::open(checkpoint).unwrap();
    let config = opened.config();
    let anatomy = Anatomy::of(config);
    let head = anatomy.head().unwrap().linear.name.clone();
    let quantizer = Quantizer::uncalibrated(Fitting::LeastError);
    let mut values = Vec::new();
    for weight in weights(config) {
        let mut floats = Vec::new();
        opened.weights().read(&weight.name, 0..weight.shape.iter().product(), &mut floats).unwrap();
        if let [_, columns] = weight.shape[..] {
            let outer = weight.name == anatomy.embedding || weight.name == head;
            let format = BlockFormat::native(if outer { Bits::Eight } else { bits });
            floats = quantizer.quantize(&weight.name, columns, format, &floats).unwrap().values();
        }
        values.extend(floats);
    }
    fs::create_dir_all(target).unwrap();
    write_weights(&target.join(WEIGHTS), &weights(config), &values).unwrap();
    for name in [CONFIG, TOKENIZER] {
        fs::copy(checkpoint.join(name), target.join(name)).unwrap();
    }
}

/// Root mean square of the difference, relative to that of the right side.
fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    let square = |value: f32| f64::from(value) * f64::from(value);
    let error: f64 = found.iter().zip(expected).map(|(found, expected)| square(found - expected)).sum();
    (error / expected.iter().copied().map(square).sum::<f64>()).sqrt()
}

#[test]
fn stock_operators_compute_what_libtorch_does_with_the_rounded_weights() {
    for config in [tiny(), peculiar()] {
        let root = tempfile::tempdir().unwrap();
        let (checkpoint, bundle) = (root.path().join("checkpoint"), root.path().join("bundle"));
        write_checkpoint(&checkpoint, &config, 3);
        let ids: Vec<u32> = (0..150).map(|position| position * 7 % 256 + 1).collect();
        for (format, bits) in [(PortableWeights::Four, Bits::Four), (PortableWeights::Eight, Bits::Eight)] {
            export(&checkpoint, format, CalibrationPlan::default(), &bundle);
            let rounded = root.path().join("rounded");
            write_rounded(&checkpoint, bits, &rounded);
            let reference = ReferenceStudent::open(&Checkpoint::open(&rounded).unwrap(), 1).unwrap();
            let expected = reference.logits(&ids).unwrap();
            let integer = relative_error(&Engine::open(&bundle).unwrap().logits(&ids).unwrap(), &expected);
            let rotary = rotary_table(&config);
            let [half, float] = [None, Some(&rotary)].map(|rotary| {
                compute_in_float32(&bundle, rotary);
                relative_error(&Engine::open(&bundle).unwrap().logits(&ids).unwrap(), &expected)
            });
            println!(
                "{format:?}, {}: float32 {float:e}, float16 attention {half:e}, 8-bit activations {integer:e}",
                config.family
            );
            // Only the order of sums differs from libtorch's.
            assert!(float < 1e-5, "{format:?}: {float}");
            assert!(half < FLOAT16_ATTENTION, "{format:?}: {half}");
            assert!(integer < 0.05, "{format:?}: {integer}");
        }
    }
}

#[test]
fn channels_compute_nearly_what_libtorch_does() {
    for config in [tiny(), peculiar()] {
        let root = tempfile::tempdir().unwrap();
        let (checkpoint, bundle) = (root.path().join("checkpoint"), root.path().join("bundle"));
        write_checkpoint(&checkpoint, &config, 3);
        export(&checkpoint, PortableWeights::Channels, CalibrationPlan::default(), &bundle);
        let ids: Vec<u32> = (0..150).map(|position| position * 7 % 256 + 1).collect();
        let reference = ReferenceStudent::open(&Checkpoint::open(&checkpoint).unwrap(), 1).unwrap();
        let error =
            relative_error(&Engine::open(&bundle).unwrap().logits(&ids).unwrap(), &reference.logits(&ids).unwrap());
        println!("channels, {}: {error:e}", config.family);
        // Seven bits of weight, and one scale for all activations of a layer.
        assert!(error < 0.15, "{error}");
    }
}

#[test]
fn a_portable_bundle_answers_alone_and_in_batches_and_is_the_same_each_time() {
    let root = tempfile::tempdir().unwrap();
    let checkpoint = root.path().join("checkpoint");
    write_checkpoint(&checkpoint, &tiny(), 3);
    for format in FORMATS {
        let (first, second) = (root.path().join("first"), root.path().join("second"));
        export(&checkpoint, format, CalibrationPlan::default(), &first);
        export(&checkpoint, format, CalibrationPlan::default(), &second);
        for name in [WEIGHTS, GRAPH, "genai_config.json", MANIFEST] {
            assert!(fs::read(first.join(name)).unwrap() == fs::read(second.join(name)).unwrap(), "{format:?}: {name}");
        }
        Bundle::open(&first).unwrap().verify().unwrap();
        let mut engine = Engine::open(&first).unwrap();
        let alone = engine.solve("How many?", &Request::default()).unwrap();
        let again = engine.solve("How many?", &Request::default()).unwrap();
        assert_eq!(alone.steps.len(), again.steps.len());
        // One pass over all positions, and position by position over the cache.
        let ids: Vec<u32> = (1..90).collect();
        let whole = engine.logits(&ids).unwrap();
        assert_eq!(whole.len(), ids.len() * engine.config().vocab_size);
        assert!(whole.iter().all(|logit| logit.is_finite()));
    }
}

#[test]
fn tensors_that_no_portable_graph_reads_are_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let (checkpoint, bundle) = (root.path().join("checkpoint"), root.path().join("bundle"));
    write_checkpoint(&checkpoint, &tiny(), 3);
    export(&checkpoint, PortableWeights::Four, CalibrationPlan::default(), &bundle);
    let mut bytes = fs::read(bundle.join(WEIGHTS)).unwrap();
    let text = b"model.layers.1.mlp.down_proj.scales";
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    bytes[at + text.len() - 1] = b'z';
    fs::write(bundle.join(WEIGHTS), bytes).unwrap();
    let error = Bundle::open(&bundle).unwrap_err();
    assert!(matches!(error, BundleError::Tensor { .. }), "{error}");
    assert!(error.to_string().contains("model.layers.1.mlp.down_proj.scales"), "{error}");
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic-float32")
}

/// Token ids of rationales of the shipped student's tasks, of a seed that nothing else uses.
fn samples(checkpoint: &Checkpoint, contract: &ReasoningContract, seed: u64, count: usize) -> Vec<Vec<u32>> {
    let of_task = |task: ProgramTask| {
        let teacher = ProgramTeacher { task, seed, items: Items::exactly(task.published_items()) };
        teacher.rationales(count, &Exclusions::default()).unwrap()
    };
    let end = checkpoint.config().eos_ids[0];
    let encode = |row: RationaleRow| {
        let (id, example) = (row.id(), &row.example);
        let kept = KeptRationale {
            id: &id,
            question: &example.question,
            rationale: &row.completion.rationale,
            gold: &example.gold,
            weight: SampleWeight::FULL,
        };
        TrainingSample::encode(contract, checkpoint.tokenizer(), end, &kept).unwrap().ids
    };
    ProgramTask::ALL.into_iter().flat_map(of_task).map(encode).collect()
}

/// ‖(W − Ŵ)Xᵀ‖² over all layers of the shipped student, on rationales that no calibration has seen, relative to plain
/// rounding.
#[test]
fn calibration_reduces_the_error_of_the_outputs_of_the_shipped_student() {
    let checkpoint = Checkpoint::open(&shipped()).unwrap();
    let contract = ReasoningContract::read(&shipped().join("reasoning.json")).unwrap();
    let seen = samples(&checkpoint, &contract, 78, 40);
    let unseen = samples(&checkpoint, &contract, 79, 40);
    let quantizer = |calibration| {
        Quantizer::calibrated(checkpoint.config(), Calibrator::open(&checkpoint, calibration, &seen, 1).unwrap())
    };
    let ways = [
        ("covering", Quantizer::uncalibrated(Fitting::Covering)),
        ("least error", Quantizer::uncalibrated(Fitting::LeastError)),
        ("scales", quantizer(Calibration::Scales)),
        ("compensation", quantizer(Calibration::Compensation)),
    ];
    let mut judge = Calibrator::open(&checkpoint, Calibration::Compensation, &unseen, 1).unwrap();
    for bits in Bits::ALL {
        let format = BlockFormat::native(bits);
        let errors = ways.each_ref().map(|(_, quantizer)| {
            total_error(&checkpoint, &mut judge, |weight, columns, values| {
                quantizer.quantize(weight, columns, format, values).unwrap()
            })
        });
        for ((name, _), error) in ways.iter().zip(errors) {
            println!("{bits:?} {name}: {:.4} of plain rounding", error / errors[0]);
        }
        assert!(errors[1] < errors[0] && errors[2] < errors[1] && errors[3] < 0.7 * errors[2], "{errors:?}");
    }
}

fn total_error(
    checkpoint: &Checkpoint,
    judge: &mut Calibrator,
    round: impl Fn(&str, usize, &[f32]) -> QuantizedMatrix,
) -> f64 {
    let mut total = 0.0;
    for (index, site) in Anatomy::of(checkpoint.config()).sites.iter().enumerate() {
        let mut layer = (0.0, 0.0);
        for (projection, rows) in site.linear.projections.iter().zip(&site.rows) {
            let mut values = Vec::new();
            checkpoint.weights().read(&projection.weight, 0..rows * site.columns, &mut values).unwrap();
            let rounded = round(&projection.weight, site.columns, &values).values();
            let error: Vec<f32> = values.iter().zip(&rounded).map(|(value, rounded)| value - rounded).collect();
            layer.0 += judge.output_error(index, &error).unwrap();
            layer.1 += judge.output_error(index, &values).unwrap();
        }
        // Each layer counts as much as its outputs are large.
        total += layer.0 / layer.1;
    }
    total
}

#[test]
fn calibrated_bundles_are_the_same_each_time() {
    let root = tempfile::tempdir().unwrap();
    let checkpoint = root.path().join("checkpoint");
    write_checkpoint(&checkpoint, &peculiar(), 3);
    let samples: Vec<Vec<u32>> = (1..20).map(|start| (start..start + 40).collect()).collect();
    let mut written = Vec::new();
    for calibration in [Calibration::None, Calibration::Scales, Calibration::Compensation] {
        let plan = || CalibrationPlan { calibration, samples: samples.clone(), file: None };
        let (first, second) = (root.path().join("first"), root.path().join("second"));
        export(&checkpoint, PortableWeights::Four, plan(), &first);
        export(&checkpoint, PortableWeights::Four, plan(), &second);
        let bytes = fs::read(first.join(WEIGHTS)).unwrap();
        assert!(bytes == fs::read(second.join(WEIGHTS)).unwrap(), "{calibration:?}");
        assert_eq!(Manifest::read(&first).unwrap().calibration, plan().record(), "{calibration:?}");
        assert!(!written.contains(&bytes), "{calibration:?} changes something");
        written.push(bytes);
    }
}

/// A prompt, and the same with our runtime's greedy completion of it.
///
/// Dynamic int8 rounds all rows of an activation alike, so that a completion is comparable only where the prompt is computed in
/// one pass and every new token in one of its own, as both runtimes do.
fn greedy(bundle: &Path) -> (Vec<u32>, Vec<u32>) {
    let question = "How many are there?";
    let mut engine = Engine::open(bundle).unwrap();
    let prompt = engine.tokenizer().encode(&engine.contract().prompt(question)).unwrap();
    let request = RequestBuilder::default().on_rationale_exhausted(RationaleExhausted::Truncate).build().unwrap();
    let mut generation = engine.stream(question, &request).unwrap();
    generation.by_ref().for_each(|event| drop(event.unwrap()));
    let expected = [prompt.as_slice(), generation.token_ids().as_slice()].concat();
    assert!(expected.len() > prompt.len() + 10, "a completion");
    (prompt, expected)
}

/// The referees of other makers, where Python has them: `onnx.checker`, ONNX Runtime and onnxruntime-genai.
#[test]
fn other_runtimes_read_portable_bundles() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/parity/genai.py");
    let importable = Command::new(&python).args(["-c", "import onnx, onnxruntime, onnxruntime_genai"]).output();
    if !importable.is_ok_and(|output| output.status.success()) {
        println!("skipped: `{python}` has no `onnx`, `onnxruntime`, `onnxruntime_genai`; `PYTHON` names another one");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    for (index, config) in [tiny(), peculiar()].into_iter().enumerate() {
        let checkpoint = root.path().join(format!("checkpoint-{index}"));
        write_checkpoint(&checkpoint, &config, 3);
        for format in FORMATS {
            let bundle = root.path().join(format!("{format:?}-{index}"));
            export(&checkpoint, format, CalibrationPlan::default(), &bundle);
            let (prompt, expected) = greedy(&bundle);
            let list = |ids: &[u32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let (prompt, expected) = (list(&prompt), list(&expected));
            let output =
                Command::new(&python).arg(&script).args([bundle.to_str().unwrap(), &prompt, &expected]).output();
            let output = output.unwrap();
            let printed =
                String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            println!("{format:?}, {}: {printed}", config.family);
            assert!(output.status.success(), "{format:?}: {printed}");
        }
    }
}
