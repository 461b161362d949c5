//! `distill rationales`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use pupil_distill::interrupt::Interrupt;
use pupil_distill::pipeline::Run;
use pupil_distill::rationale::transfer::{Choice, Format, Placement, export, import};
use pupil_distill::rationale::{RationaleError, Reader, Store, salvage};
use pupil_models::contract::ReasoningContract;
use pupil_models::durable;

use crate::report;
use crate::store_path::StoreArgs;

/// `distill rationales`.
#[derive(Debug, clap::Args)]
pub(crate) struct RationalesArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write rationales as JSONL or Parquet, or as the columns that other trainers read
    Export(ExportArgs),
    /// Read rationales from JSONL or Parquet files; good rows are imported once, bad ones named, and the exit code is 1 then
    Import(ImportArgs),
    /// Copy what can be read of a damaged store into a new one; the exit code is 1 if something could not be read
    Salvage(SalvageArgs),
}

#[derive(Debug, clap::Args)]
struct ExportArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// How they are laid out
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Layout,
    /// Those that the latest filter kept; the default of `prompt-completion` and `messages`
    #[arg(long, conflicts_with = "all")]
    kept: bool,
    /// Every finished completion; the default of `jsonl` and `parquet`
    #[arg(long)]
    all: bool,
    /// The contract (`reasoning.json`) that lays prompts and completions out, if no experiment says it
    #[arg(long)]
    contract: Option<PathBuf>,
    /// The file; the standard output if absent
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Layout {
    /// One JSON object a line
    Jsonl,
    /// Columns
    Parquet,
    /// JSONL of `prompt` and `completion`, as the student is trained on them
    PromptCompletion,
    /// JSONL of `messages`
    Messages,
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct SalvageArgs {
    /// The damaged store
    store: PathBuf,
    /// The new store
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn rationales(args: &RationalesArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Export(args) => export_from(args),
        Command::Import(args) => import_into(args),
        Command::Salvage(args) => salvage_from(args),
    }
}

fn export_from(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let plan = args.store.plan()?;
    let reader = Reader::open(&args.store.store(plan.as_ref()))?;
    let contract = match &args.contract {
        Some(path) => Some(ReasoningContract::read(path)?),
        None => plan.map(|plan| plan.contract),
    };
    let needed =
        || contract.as_ref().context("expected an experiment or `--contract`, which lay out prompts, found neither");
    let format = match args.format {
        Layout::Jsonl => Format::Jsonl,
        Layout::Parquet => Format::Parquet,
        Layout::PromptCompletion => Format::PromptCompletion(needed()?),
        Layout::Messages => Format::Messages(needed()?),
    };
    let is_training_data = matches!(format, Format::PromptCompletion(_) | Format::Messages(_));
    let choice = if args.kept || (is_training_data && !args.all) { Choice::Kept } else { Choice::All };
    let Some(path) = &args.out else {
        export(&reader, choice, format, std::io::stdout(), Path::new("standard output"))?;
        return Ok(ExitCode::SUCCESS);
    };
    let count = export_file(&reader, choice, format, path)?;
    report::line(&format!("{count} rationales in `{}`", path.display()));
    Ok(ExitCode::SUCCESS)
}

/// Writes the file whole or not at all.
fn export_file(reader: &Reader, choice: Choice, format: Format<'_>, path: &Path) -> Result<u64, RationaleError> {
    let mut exported = Ok(0);
    let written = durable::write_with(path, |file| {
        exported = export(reader, choice, format, file, path);
        // The error itself is kept; this one only says that there is one.
        exported.as_ref().map(|_| ()).map_err(|error| std::io::Error::other(error.to_string()))
    });
    let count = exported?;
    written.map_err(|source| RationaleError::Write { path: path.to_owned(), source })?;
    Ok(count)
}

fn import_into(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let plan = args.store.plan()?;
    let interrupt = Interrupt::new();
    let mut watch = report::watch;
    // An experiment's examples have places; in a store by itself they get them as they come.
    let mut run = plan.as_ref().map(|plan| Run::open(plan, &interrupt, &mut watch)).transpose()?;
    let (mut store, placement) = match &mut run {
        Some(run) => (run.register()?, Placement::Registered),
        None => (Store::open(&args.store.store(None))?, Placement::Free),
    };
    let report = import(&mut store, &args.files, placement, &mut |bad| {
        let place = if bad.line == 0 { String::new() } else { format!(", line {}", bad.line) };
        report::line(&format!("bad: `{}`{place}: expected {}, found {}", bad.path.display(), bad.expected, bad.found));
    })?;
    report::line(&format!("imported {}, there before {}, bad {}", report.written, report.same, report.bad));
    Ok(if report.bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn salvage_from(args: &SalvageArgs) -> anyhow::Result<ExitCode> {
    if !args.store.exists() {
        bail!("expected a store, found no file `{}`", args.store.display());
    }
    let report = salvage(&args.store, &args.out)?;
    for place in &report.unreadable {
        report::line(&format!("unreadable: {place}"));
    }
    report::line(&format!(
        "salvaged {} examples and {} completions into `{}`; {} places could not be read",
        report.examples,
        report.completions,
        args.out.display(),
        report.unreadable.len()
    ));
    Ok(if report.unreadable.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
