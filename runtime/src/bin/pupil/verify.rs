//! `pupil verify`: reads every byte of a bundle and runs it once.

use std::process::ExitCode;

use pupil_models::bundle::Bundle;
use pupil_runtime::tuning;
use pupil_runtime::{Engine, EngineOptions, GenerateError};
use serde_json::json;

use crate::args::OneBundle;
use crate::output;
use crate::plan::{PlanError, bundle_or_default};

pub(crate) fn run(arguments: OneBundle) -> anyhow::Result<ExitCode> {
    let bundle = Bundle::open(bundle_or_default(arguments.bundle)?)?;
    bundle.verify()?;
    let saved = tuning::verify_saved_graph(&bundle).map_err(|reason| {
        let problem = format!("what `pupil tune` saved for this bundle is damaged: {reason}");
        PlanError::new(problem, "`pupil tune` saves it anew; with `--untuned` nothing uses it")
    })?;
    let mut engine = Engine::open_with(&bundle, &EngineOptions::default())?;
    check_logits(&mut engine, &bundle)?;
    let manifest = bundle.manifest();
    if arguments.json {
        output::json(
            &json!({"folder": bundle.folder(), "verified": true, "files": manifest.files, "saved_graph": saved}),
        )?;
    } else {
        let bytes: u64 = manifest.files.values().map(|record| record.bytes).sum();
        let mut rows = vec![
            ("bundle", bundle.folder().display().to_string()),
            ("digests", format!("{} files, {bytes} bytes: as the manifest says", manifest.files.len())),
            ("weights", format!("{} numbers, all finite", manifest.parameters)),
            ("graph", "opens in ONNX Runtime and computes finite logits".to_owned()),
        ];
        rows.extend(saved.map(|folder| ("saved graph", format!("{}: as it was saved", folder.display()))));
        output::table(&rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Computes the logits of a prompt.
fn check_logits(engine: &mut Engine, bundle: &Bundle) -> anyhow::Result<()> {
    let mut prompt = bundle.tokenizer().encode(&bundle.contract().prompt("?"))?;
    prompt.truncate(bundle.config().context_tokens);
    let logits = engine.logits(&prompt)?;
    let vocab_size = bundle.config().vocab_size;
    match logits.iter().enumerate().find(|(_, logit)| !logit.is_finite()) {
        Some((index, &value)) => Err(GenerateError::NonFinite { position: index / vocab_size, value }.into()),
        None => Ok(()),
    }
}
