//! What can be typed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{ArgPredicate, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use pupil_distill::dataset::SplitReference;
use pupil_distill::experiment::ExportTable;
use pupil_distill::export::parity::Tolerance;
use pupil_distill::quantize::calibration::Calibration;
use pupil_models::format::WeightFormat;

/// Teach a small language model to reason step by step.
#[derive(Debug, Parser)]
#[command(name = "distill", version, about, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One stage, or all of them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every stage of an experiment; what is done already is passed over
    Run(RunArgs),
    /// Let the teachers write rationales
    Teach(crate::teach::TeachArgs),
    /// Give every rationale a verdict (after `teach`)
    Filter(crate::filter::FilterArgs),
    /// Turn kept rationales into token ids and loss masks (after `filter`)
    Samples(SamplesArgs),
    /// Train the student (after `samples`)
    Train(RunArgs),
    /// Export a checkpoint as a bundle, parity with libtorch proved
    Export(ExportArgs),
    /// Measure a bundle on the questions of a dataset
    Eval(EvalArgs),
    /// Write the fingerprints of a dataset's questions, which `program` teachers then avoid
    Exclude(ExcludeArgs),
    /// Grade completions: rows `{"completion", "answer"}` in, the same rows with `prediction` and `correct` out
    Grade(crate::grade::GradeArgs),
    /// Show how far a run is, while it goes on or afterwards
    Status(crate::status::StatusArgs),
    /// Join the stores of shards into one
    Merge(crate::merge::MergeArgs),
    /// Import, export or salvage the rationales of a run
    Rationales(crate::rationales::RationalesArgs),
    /// Write request files for the OpenAI Batch API, and read its result files
    Batch(crate::batch::BatchArgs),
    /// Run every variant of an experiment that has a `[sweep]`
    Sweep(crate::sweep::SweepArgs),
    /// Measure prompting methods on a student: random, zero-shot, zero-shot-CoT, few-shot-CoT
    Compare(crate::compare::CompareArgs),
    /// Write one HTML page, and the CSV behind each figure, about finished runs
    Report(crate::render::ReportArgs),
    /// Write a checkpoint of random weights, of a published size, to measure speed and memory with
    RandomStudent(crate::random_student::RandomStudentArgs),
    /// Distil a micro student end to end, then let the shipped student solve three questions
    Demo(DemoArgs),
}

/// An experiment and where its run lives.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The experiment file
    pub(crate) experiment: PathBuf,
    /// Folder that holds the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
    /// Name of the run, instead of the experiment's
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Vanilla fine-tuning: learn the gold answers without rationales, in a run of its own
    #[arg(long)]
    pub(crate) vanilla: bool,
    /// Round of an experiment that has a `[self_training]`
    #[arg(long, value_name = "R")]
    pub(crate) round: Option<u32>,
}

/// `distill samples`.
#[derive(Debug, clap::Args)]
pub(crate) struct SamplesArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Print so many samples as text, what the student learns to write between `⟦` and `⟧`
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "3")]
    pub(crate) show: Option<usize>,
}

/// `distill export`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// An experiment whose trained student is exported
    #[arg(required_unless_present = "checkpoint")]
    pub(crate) experiment: Option<PathBuf>,
    /// Folder that holds the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
    /// Name of the run, instead of the experiment's
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Export the vanilla run
    #[arg(long)]
    pub(crate) vanilla: bool,
    /// Round of an experiment that has a `[self_training]`
    #[arg(long, value_name = "R")]
    pub(crate) round: Option<u32>,
    /// A Hugging Face style folder to export instead, whoever trained it
    #[arg(long, conflicts_with = "experiment", requires_all = ["contract", "out"])]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The checkpoint's reasoning contract (`reasoning.json`)
    #[arg(long, requires = "checkpoint")]
    pub(crate) contract: Option<PathBuf>,
    /// Dataset whose first questions parity is proved on, and whose questions `--within` is measured on: no test's
    #[arg(long, requires = "checkpoint", required_unless_present_any = ["experiment", "without_parity"])]
    pub(crate) data: Option<PathBuf>,
    /// At most so many questions that `--within` is measured on
    #[arg(long, requires = "checkpoint", default_value_t = ExportTable::default().questions)]
    pub(crate) questions: usize,
    /// Where the bundle goes
    #[arg(long, requires = "checkpoint")]
    pub(crate) out: Option<PathBuf>,
    /// How the weights are stored [default: float32, or with `--within` the cheapest form inside it]
    #[arg(long, value_parser = format_parser())]
    pub(crate) format: Option<WeightFormat>,
    /// What rounding may know about the inputs of the layers; an experiment says it in its `[export]`
    #[arg(
        long,
        requires = "samples",
        default_value = "none",
        default_value_if("samples", ArgPredicate::IsPresent, "compensation")
    )]
    pub(crate) calibration: Calibration,
    /// Training samples that the student reads for it, as `distill samples` writes them
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    pub(crate) samples: Option<PathBuf>,
    /// Accuracy that may be lost against float32, shown on held-out questions: `1pp`, `0.5pp` [default with `--format`: 1pp]
    #[arg(long, value_name = "POINTS")]
    pub(crate) within: Option<Tolerance>,
    /// Write the bundle without comparing it with libtorch, as its manifest then tells: for weights that nobody trained
    #[arg(long, requires = "checkpoint", conflicts_with_all = ["data", "force", "within"])]
    pub(crate) without_parity: bool,
    /// Write the bundle even if it is outside the tolerance; its manifest records the miss
    #[arg(long)]
    pub(crate) force: bool,
}

fn format_parser() -> impl TypedValueParser<Value = WeightFormat> {
    PossibleValuesParser::new(WeightFormat::ALL.map(WeightFormat::as_str)).try_map(|name| name.parse::<WeightFormat>())
}

/// `distill eval`.
#[derive(Debug, clap::Args)]
pub(crate) struct EvalArgs {
    /// The bundle
    #[arg(long)]
    pub(crate) bundle: PathBuf,
    /// The dataset, JSON lines with `id`, `question` and `answer`
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// Which of its examples, as SPLIT.json:NAME; all if absent
    #[arg(long)]
    pub(crate) split: Option<SplitReference>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure accuracy and completeness with completions cut at so many tokens, one line a budget
    #[arg(long, value_name = "TOKENS", value_delimiter = ',', conflicts_with_all = ["require", "completions"])]
    pub(crate) budget: Vec<usize>,
    /// Write the result into this folder: `eval-*`, and `results_*`, `samples_*` as lm-evaluation-harness does
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Write every graded completion to this file
    #[arg(long)]
    pub(crate) completions: Option<PathBuf>,
    /// Exit with 1 if the accuracy is below this fraction
    #[arg(long)]
    pub(crate) require: Option<f64>,
    /// Threads of the runtime
    #[arg(long)]
    pub(crate) threads: Option<NonZeroUsize>,
}

/// `distill exclude`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExcludeArgs {
    /// Datasets whose questions must never be generated
    #[arg(required = true)]
    pub(crate) data: Vec<PathBuf>,
    /// Where the fingerprints go
    #[arg(long)]
    pub(crate) out: PathBuf,
}

/// `distill demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Folder that holds the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
}
