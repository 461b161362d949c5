//! `pupil inspect`: what a bundle holds.

use std::process::ExitCode;

use pupil_models::bundle::{Bundle, CalibrationMethod, WEIGHTS};
use serde_json::{Value, json};

use crate::args::OneBundle;
use crate::output;
use crate::plan::bundle_or_default;

pub(crate) fn run(arguments: OneBundle) -> anyhow::Result<ExitCode> {
    let bundle = Bundle::open(bundle_or_default(arguments.bundle)?)?;
    if arguments.json {
        output::json(&describe(&bundle)?)?;
    } else {
        output::table(&rows(&bundle))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(bundle: &Bundle) -> anyhow::Result<Value> {
    let config = bundle.config();
    Ok(json!({
        "folder": bundle.folder(),
        "manifest": bundle.manifest(),
        "contract": bundle.contract(),
        "config": serde_json::from_str::<Value>(&config.to_json())?,
        "parameters": config.parameter_count(),
        "kv_bytes_per_token": bundle.cache_bytes_per_token(),
        "weights_bytes": bundle.weights().bytes_by_kind(config),
        "tokens_in_vocabulary": bundle.tokenizer().vocab_size(),
        "tokenizer_is_mapped": bundle.tokenizer().is_mapped(),
    }))
}

fn tokenizer(bundle: &Bundle) -> String {
    let form = if bundle.tokenizer().is_mapped() { "mapped tables" } else { "JSON, parsed at every start" };
    format!("{} tokens, {form}", bundle.tokenizer().vocab_size())
}

fn rows(bundle: &Bundle) -> Vec<(&'static str, String)> {
    let (config, manifest, contract) = (bundle.config(), bundle.manifest(), bundle.contract());
    let total: u64 = manifest.files.values().map(|record| record.bytes).sum();
    let weights = manifest.files.get(WEIGHTS).map_or(0, |record| record.bytes);
    let architecture = format!(
        "{}: {} layers, hidden {}, feed-forward {}, {} heads, {} key-value heads of {}, vocabulary {}",
        manifest.family,
        config.layers,
        config.hidden_size,
        config.intermediate_size,
        config.heads,
        config.kv_heads,
        config.head_dim,
        config.vocab_size
    );
    let parity = manifest.parity.as_ref().map_or("not compared".to_owned(), |parity| {
        format!(
            "logits within {:.1e} over {} positions, greedy completions equal on {} of {} prompts",
            parity.max_logit_difference, parity.positions, parity.equal_greedy_completions, parity.prompts
        )
    });
    vec![
        ("bundle", bundle.folder().display().to_string()),
        ("student", manifest.provenance.name.clone()),
        ("written by", manifest.provenance.created_by.clone()),
        ("checkpoint", manifest.provenance.checkpoint.to_string()),
        ("architecture", architecture),
        ("tokenizer", tokenizer(bundle)),
        ("parameters", format!("{} ({})", config.parameter_count(), manifest.weights)),
        ("size", format!("{total} bytes, of which weights {weights}")),
        ("stored as", stored_as(bundle)),
        ("calibration", calibration(bundle)),
        (
            "context",
            format!("{} tokens, {} bytes of cache each", config.context_tokens, bundle.cache_bytes_per_token()),
        ),
        ("prompt", format!("{:?}", contract.prompt)),
        ("answer marker", contract.answer_marker.as_ref().map_or("none".to_owned(), |marker| format!("{marker:?}"))),
        ("answer", format!("{:?}, graded by {}", contract.answer, contract.grader)),
        (
            "budgets",
            format!(
                "rationale {}, answer {} tokens",
                contract.budgets.rationale_tokens, contract.budgets.answer_tokens
            ),
        ),
        ("contract", contract.digest().to_string()),
        ("parity", parity),
    ]
}

/// What rounding knew about the inputs of the layers.
fn calibration(bundle: &Bundle) -> String {
    let Some(calibrated) = bundle.manifest().calibration else { return "none".to_owned() };
    let method = match calibrated.method {
        CalibrationMethod::Scales => "scales",
        CalibrationMethod::Compensation => "compensation",
    };
    let file = calibrated.file.map_or(String::new(), |file| format!(" of {file}"));
    format!("{method}, on {} samples{file}", calibrated.samples)
}

/// How many bytes of weights there are of each kind.
fn stored_as(bundle: &Bundle) -> String {
    let kinds = bundle.weights().bytes_by_kind(bundle.config());
    let kinds: Vec<String> = kinds.into_iter().map(|(kind, bytes)| format!("{bytes} bytes of {kind}")).collect();
    format!("{}: {}", bundle.manifest().weights, kinds.join(", "))
}
