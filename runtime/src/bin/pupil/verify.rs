//! `pupil verify`: reads every byte of a bundle and runs it once.

use std::process::ExitCode;

use pupil_models::bundle::Bundle;
use pupil_runtime::tuning;
use pupil_runtime::{Device, Engine, EngineOptions, GenerateError, TokenId};
use serde::Serialize;
use serde_json::json;

use crate::args::Verify;
use crate::output;
use crate::plan::{PlanError, bundle_or_default};

/// Tokens whose logits are compared with the CPU's.
const COMPARED_TOKENS: usize = 64;

pub(crate) fn run(arguments: Verify) -> anyhow::Result<ExitCode> {
    let Verify { bundle, device } = arguments;
    let json = bundle.json;
    let bundle = Bundle::open(bundle_or_default(bundle.bundle)?)?;
    bundle.verify()?;
    let saved = tuning::verify_saved_graph(&bundle).map_err(|reason| {
        let problem = format!("what `pupil tune` saved for this bundle is damaged: {reason}");
        PlanError::new(problem, "`pupil tune` saves it anew; with `--untuned` nothing uses it")
    })?;
    let prompt = prompt(&bundle, device)?;
    let logits = logits(&bundle, device, &prompt)?;
    let agreement = match device {
        Device::Cpu => None,
        _ => Some(Agreement::of(&logits, &self::logits(&bundle, Device::Cpu, &prompt)?, bundle.config().vocab_size)),
    };
    let manifest = bundle.manifest();
    if json {
        output::json(&json!({
            "folder": bundle.folder(), "verified": true, "files": manifest.files, "saved_graph": saved, "device": device,
            "compared_with_cpu": agreement,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let bytes: u64 = manifest.files.values().map(|record| record.bytes).sum();
    let mut rows = vec![
        ("bundle", bundle.folder().display().to_string()),
        ("digests", format!("{} files, {bytes} bytes: as the manifest says", manifest.files.len())),
        ("weights", format!("{} numbers, all finite", manifest.parameters)),
        ("graph", "opens in ONNX Runtime and computes finite logits".to_owned()),
    ];
    rows.extend(saved.map(|folder| ("saved graph", format!("{}: as it was saved", folder.display()))));
    if let Some(agreement) = agreement {
        rows.push(("device", format!("{device}: {}", agreement.describe())));
    }
    output::table(&rows)?;
    Ok(ExitCode::SUCCESS)
}

/// A prompt, which is repeated where it is there to be compared.
fn prompt(bundle: &Bundle, device: Device) -> anyhow::Result<Vec<TokenId>> {
    let prompt = bundle.tokenizer().encode(&bundle.contract().prompt("?"))?;
    let context = bundle.config().context_tokens;
    let length = if device == Device::Cpu { prompt.len() } else { COMPARED_TOKENS };
    Ok(prompt.iter().copied().cycle().take(length.min(context)).collect())
}

/// Logits of every position of `prompt`, all finite.
fn logits(bundle: &Bundle, device: Device, prompt: &[TokenId]) -> anyhow::Result<Vec<f32>> {
    let mut engine = Engine::open_with(bundle, &EngineOptions { device, ..EngineOptions::default() })?;
    let logits = engine.logits(prompt)?;
    let vocab_size = bundle.config().vocab_size;
    match logits.iter().enumerate().find(|(_, logit)| !logit.is_finite()) {
        Some((index, &value)) => Err(GenerateError::NonFinite { position: index / vocab_size, value }.into()),
        None => Ok(logits),
    }
}

/// How near a device comes to the CPU.
#[derive(Debug, Serialize)]
struct Agreement {
    /// Largest difference of two logits.
    largest_difference: f32,
    /// Largest logit of the CPU, by magnitude.
    largest_logit: f32,
    positions: usize,
    /// Positions at which the most probable token is the CPU's.
    same_most_probable: usize,
}

impl Agreement {
    fn of(device: &[f32], cpu: &[f32], vocab_size: usize) -> Self {
        let magnitude = |values: &mut dyn Iterator<Item = f32>| values.map(f32::abs).fold(0.0, f32::max);
        let most_probable =
            |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(index, _)| index);
        let rows = device.chunks_exact(vocab_size).zip(cpu.chunks_exact(vocab_size));
        Self {
            largest_difference: magnitude(&mut device.iter().zip(cpu).map(|(device, cpu)| device - cpu)),
            largest_logit: magnitude(&mut cpu.iter().copied()),
            positions: rows.len(),
            same_most_probable: rows.filter(|(device, cpu)| most_probable(device) == most_probable(cpu)).count(),
        }
    }

    fn describe(&self) -> String {
        let Self { largest_difference, largest_logit, positions, same_most_probable } = self;
        format!(
            "logits within {largest_difference:.1e} of the CPU's, the largest of which is {largest_logit:.1}; the most probable \
             token is the same at {same_most_probable} of {positions} positions"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agreement_is_over_values_and_over_rows() {
        let agreement = Agreement::of(&[1.0, 2.0, 5.0, -4.0], &[1.0, 2.5, 1.0, -8.0], 2);
        assert_eq!((agreement.largest_difference, agreement.largest_logit), (4.0, 8.0));
        assert_eq!((agreement.positions, agreement.same_most_probable), (2, 2));
        assert_eq!(Agreement::of(&[1.0, 0.0], &[0.0, 1.0], 2).same_most_probable, 0);
    }
}
