//! `distill status`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pupil_distill::rationale::{RationaleError, Reader, Summary};
use serde::Serialize;

use crate::report;
use crate::store_path::{StoreArgs, shards_in};

/// `distill status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A store in numbers.
#[derive(Serialize)]
struct StoreStatus {
    store: PathBuf,
    shard: Option<String>,
    sources: Vec<Summary>,
}

pub(crate) fn status(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let plan = args.store.plan()?;
    let store = args.store.store(plan.as_ref());
    let shards = shards_in(store.parent().unwrap_or(Path::new("")))?;
    let mut stores = Vec::new();
    // A run in shards has no store of its own before they are merged.
    if store.exists() || shards.is_empty() {
        stores.push(read(&store)?);
    }
    for shard in shards.iter().filter(|shard| **shard != store) {
        stores.push(read(shard)?);
    }
    if args.json {
        report::data(&serde_json::json!({ "stores": stores }).to_string())?;
    } else {
        for status in &stores {
            print(status)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<StoreStatus, RationaleError> {
    let reader = Reader::open(path)?;
    Ok(StoreStatus { store: path.to_owned(), shard: reader.setting("shard")?, sources: reader.summaries()? })
}

fn print(status: &StoreStatus) -> std::io::Result<()> {
    let shard = status.shard.as_ref().map_or(String::new(), |shard| format!(" (shard {shard})"));
    report::data(&format!("{}{shard}", status.store.display()))?;
    for source in &status.sources {
        let progress = source.progress;
        let whole = source.whole_examples.filter(|&whole| whole != progress.examples);
        let whole = whole.map_or(String::new(), |whole| format!(" of {whole}"));
        let expected = source.expected.map_or(String::new(), |expected| {
            format!(" of {expected} ({:.1} %)", 100.0 * progress.done as f64 / (expected as f64).max(1.0))
        });
        report::data(&format!(
            "  source {} `{}`: {}{whole} examples",
            source.source, source.teacher, progress.examples
        ))?;
        report::data(&format!(
            "    completions: done {}{expected}, partial {}, failed {}",
            progress.done, progress.partial, progress.failed
        ))?;
        if progress.prompt_tokens + progress.completion_tokens > 0 {
            let (prompt, completion) = (progress.prompt_tokens, progress.completion_tokens);
            report::data(&format!(
                "    tokens: prompt {prompt}, completion {completion}; cost ${:.4}",
                progress.cost_usd
            ))?;
        }
        for (name, counts) in
            [("faults", &source.faults), ("failures", &source.failures), ("verdicts", &source.verdicts)]
        {
            let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
            if !counts.is_empty() {
                report::data(&format!("    {name}: {}", counts.join(", ")))?;
            }
        }
    }
    Ok(())
}
