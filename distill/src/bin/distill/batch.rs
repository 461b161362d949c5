//! `distill batch`.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pupil_distill::experiment::{ExperimentError, Plan};
use pupil_distill::interrupt::Interrupt;
use pupil_distill::pipeline::{BatchWritten, Run};
use pupil_distill::teacher::TeachOptions;
use pupil_distill::teacher::batch::{Limits, Part, ReadReport};

use crate::args::RunArgs;
use crate::{report, run};

/// `distill batch`.
#[derive(Debug, clap::Args)]
pub(crate) struct BatchArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write a request for everything that the `batch` teachers have not answered yet and can be asked now
    Write(WriteArgs),
    /// Read result and error files, in any order, in parts, again; bad rows are named, and the exit code is 1 then
    Read(ReadArgs),
}

#[derive(Debug, clap::Args)]
struct BatchRunArgs {
    /// The experiment file
    experiment: PathBuf,
    /// Folder that holds the runs
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
    /// Name of the run, instead of the experiment's
    #[arg(long)]
    name: Option<String>,
    /// Round of an experiment that has a `[self_training]`
    #[arg(long, value_name = "R")]
    round: Option<u32>,
}

#[derive(Debug, clap::Args)]
struct WriteArgs {
    #[command(flatten)]
    run: BatchRunArgs,
    /// Folder of the request files; `batch` in the run's folder if absent
    #[arg(long)]
    out: Option<PathBuf>,
    /// Most requests of a file
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(Limits::default().requests).unwrap_or(NonZeroUsize::MIN))]
    max_requests: NonZeroUsize,
    /// Most bytes of a file
    #[arg(long, value_name = "BYTES", default_value_t = NonZeroU64::new(Limits::default().bytes).unwrap_or(NonZeroU64::MIN))]
    max_bytes: NonZeroU64,
    /// Ask again for every completion that failed
    #[arg(long)]
    retry_failed: bool,
}

#[derive(Debug, clap::Args)]
struct ReadArgs {
    #[command(flatten)]
    run: BatchRunArgs,
    /// Result and error files, as the service wrote them
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl BatchRunArgs {
    fn plan(&self) -> Result<Plan, ExperimentError> {
        let (experiment, runs, name) = (self.experiment.clone(), self.runs.clone(), self.name.clone());
        run::plan(&RunArgs { experiment, runs, name, vanilla: false, round: self.round })
    }
}

pub(crate) fn batch(args: &BatchArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Write(args) => write(args),
        Command::Read(args) => read(args),
    }
}

fn write(args: &WriteArgs) -> anyhow::Result<ExitCode> {
    let plan = args.run.plan()?;
    let interrupt = Interrupt::on_signals()?;
    let mut watch = report::watch;
    let options = TeachOptions { retry_failed: args.retry_failed, ..TeachOptions::default() };
    let limits = Limits { requests: args.max_requests.get(), bytes: args.max_bytes.get() };
    let mut run = Run::open_with(&plan, options, &interrupt, &mut watch)?;
    let BatchWritten { parts, estimates, failed } = run.write_batch(args.out.as_deref(), limits)?;
    for part in &parts {
        report::data(&part.path.display().to_string())?;
    }
    for (number, estimate) in estimates {
        let cost = estimate.most_cost_usd.map_or("no price given".to_owned(), |cost| format!("at most ${cost:.4}"));
        report::line(&format!(
            "source {number}: {} requests ({} for rationales, {} for answers to them), about {} prompt tokens, at most {} \
             completion tokens, {cost}",
            estimate.rationales + estimate.answers,
            estimate.rationales,
            estimate.answers,
            estimate.prompt_tokens,
            estimate.most_completion_tokens,
        ));
    }
    tell_earlier(&parts);
    if failed > 0 {
        report::line(&format!("{failed} completions failed; `distill batch write --retry-failed` asks for them again"));
    }
    if parts.is_empty() {
        report::line("nothing is left to ask");
    }
    Ok(ExitCode::SUCCESS)
}

/// Says which files of earlier writes are beside these: who hands in both may pay twice.
fn tell_earlier(parts: &[Part]) {
    let Some(folder) = parts.first().and_then(|part| part.path.parent()) else { return };
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    // Source and step.
    let kind = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split('.').take(2).collect::<Vec<_>>().join(".")
    };
    let is_like = |path: &PathBuf| parts.iter().any(|part| kind(&part.path) == kind(path));
    let is_new = |path: &PathBuf| parts.iter().any(|part| part.path == *path);
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let earlier = paths.filter(|path| is_like(path) && !is_new(path)).count();
    if earlier > 0 {
        let folder = folder.display();
        report::line(&format!(
            "note: {earlier} other files in `{folder}` ask for the like; what they asked and nobody has read yet is asked again"
        ));
    }
}

fn read(args: &ReadArgs) -> anyhow::Result<ExitCode> {
    let plan = args.run.plan()?;
    let interrupt = Interrupt::on_signals()?;
    let mut watch = report::watch;
    let read = Run::open(&plan, &interrupt, &mut watch)?.read_batch(&args.files)?;
    let ReadReport { finished, rationales, failed, repeated, unknown, early, malformed } = &read;
    for (kind, places) in [
        ("malformed", malformed),
        ("of another experiment or other settings", unknown),
        ("before its rationale", early),
    ] {
        for place in &places.first {
            report::line(&format!("bad: {place} ({kind})"));
        }
        if places.count > places.first.len() {
            report::line(&format!("bad: {} more rows ({kind})", places.count - places.first.len()));
        }
    }
    report::line(&format!(
        "read {finished} whole completions, {rationales} rationales that lack their answers, {failed} failures; there before \
         {repeated}, bad {}",
        read.bad()
    ));
    if *rationales > 0 {
        report::line("`distill batch write` writes the requests for the answers");
    }
    Ok(if read.bad() == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
