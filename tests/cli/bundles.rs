//! Bundles for the program: one that is legal but for its graph, and the smallest real one.

use std::path::{Path, PathBuf};

use pupil_models::bundle::{
    self, BundleWriter, CONFIG, CONTRACT, FORMAT_VERSION, GENERATION_CONFIG, GRAPH, Manifest, Provenance, TOKENIZER,
    WEIGHTS,
};
use pupil_models::config::StudentConfig;
use pupil_models::contract::ReasoningContract;
use pupil_models::digest::Digest;
use pupil_models::family;
use pupil_models::format::WeightFormat;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

const CONFIG_TEXT: &str = r#"{"model_type":"llama","vocab_size":8,"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1,
    "num_attention_heads":1,"max_position_embeddings":16,"rms_norm_eps":1e-5,"tie_word_embeddings":true,"eos_token_id":0}"#;

const CONTRACT_TEXT: &str = r#"{"version":1,"prompt":"{question}","answer_marker":" -->","step_rule":"line",
    "answer":{"kind":"text"},"grader":"robust","budgets":{"rationale_tokens":4,"answer_tokens":4}}"#;

/// A tokenizer whose words are these, with ids from 0.
fn tokenizer(words: &[&str]) -> String {
    let vocab: serde_json::Map<String, serde_json::Value> =
        words.iter().zip(0..).map(|(&word, id)| (word.to_owned(), serde_json::Value::from(id))).collect();
    serde_json::json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null, "decoder": null,
        "pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "WordLevel", "vocab": vocab, "unk_token": words[0]},
    })
    .to_string()
}

/// A bundle that opens, but whose graph is rubbish.
pub(crate) fn without_graph(target: &Path) {
    write(target, &tokenizer(&["end", "one", "two"]));
}

/// A bundle whose tokenizer has more words than its student.
pub(crate) fn with_foreign_tokenizer(target: &Path) {
    write(target, &tokenizer(&["end", "a", "b", "c", "d", "e", "f", "g", "surplus"]));
}

fn write(target: &Path, tokenizer: &str) {
    let config = StudentConfig::from_json(CONFIG_TEXT).unwrap();
    let contract = ReasoningContract::from_json(CONTRACT_TEXT).unwrap();
    let writer = BundleWriter::create(target).unwrap();
    let zeros = vec![0; 4 * config.parameter_count()];
    let weights: Vec<(String, TensorView<'_>)> = family::weights(&config)
        .into_iter()
        .map(|weight| {
            let bytes = 4 * weight.shape.iter().product::<usize>();
            (weight.name, TensorView::new(Dtype::F32, weight.shape, &zeros[..bytes]).unwrap())
        })
        .collect();
    let weights = safetensors::serialize(weights, None).unwrap();
    for (name, bytes) in [
        (WEIGHTS, weights.as_slice()),
        (GRAPH, b"rubbish".as_slice()),
        (CONFIG, config.to_json().as_bytes()),
        (CONTRACT, contract.to_json().as_bytes()),
        (TOKENIZER, tokenizer.as_bytes()),
        (GENERATION_CONFIG, b"{}"),
    ] {
        writer.add(name, bytes).unwrap();
    }
    let manifest = Manifest {
        format: FORMAT_VERSION,
        family: config.family,
        weights: WeightFormat::Float32,
        parameters: config.parameter_count(),
        contract: contract.digest(),
        provenance: Provenance {
            name: "test".to_owned(),
            created_by: "test".to_owned(),
            checkpoint: Digest::of(&weights),
        },
        parity: None,
        calibration: None,
        files: writer.records().unwrap(),
    };
    writer.write_manifest(&manifest).unwrap();
    writer.seal().unwrap();
}

/// The smallest real bundle, or `None`, with the reason printed, where it is absent.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(crate) fn fixture() -> Option<PathBuf> {
    let folder = std::env::var_os("PUPIL_FIXTURE")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/fixtures/tiny"), PathBuf::from);
    if !folder.join(bundle::MANIFEST).is_file() {
        eprintln!("skipped: no bundle at `{}`", folder.display());
        return None;
    }
    Some(folder)
}

/// The same in four bits for other runtimes, beside it.
pub(crate) fn portable_fixture() -> Option<PathBuf> {
    fixture().map(|folder| folder.with_file_name("tiny-portable"))
}
