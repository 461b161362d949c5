//! The command line: syntax only.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Answers questions step by step with a small distilled student, on this machine.
#[derive(Debug, Parser)]
#[command(version, after_help = "Exit status: 0 done, 1 no answer was reached, 2 error, 130 interrupted.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answers a question: steps as they come, then the answer
    Solve(Solve),
    /// Shows what a bundle holds
    Inspect(OneBundle),
    /// Reads every byte of a bundle: digests, finite weights, and that ONNX Runtime runs it
    Verify(Verify),
    /// Measures load time, latencies, throughput and memory, and compares them with what the machine could do at most
    Bench(Bench),
    /// Finds the fastest settings for a bundle on this machine, and stores them for later
    Tune(Tune),
    /// What `bench` starts in processes of their own
    #[command(hide = true)]
    Probe(Probe),
    /// Shows what was found on this machine, and what is missing
    Doctor(Doctor),
}

#[derive(Debug, Args)]
pub(crate) struct Solve {
    /// The bundle, if a question follows; else the question, for the default bundle
    #[arg(value_name = "BUNDLE|QUESTION")]
    pub(crate) first: Option<String>,
    /// The question; `-` reads it from the standard input
    #[arg(value_name = "QUESTION")]
    pub(crate) second: Option<String>,
    /// Answer every line of this file instead
    #[arg(long, value_name = "FILE", conflicts_with = "second")]
    pub(crate) questions: Option<PathBuf>,
    /// Print one event a line, as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Sample with this temperature instead of decoding greedily
    #[arg(long)]
    pub(crate) temperature: Option<f32>,
    /// Sample from this many most probable tokens
    #[arg(long)]
    pub(crate) top_k: Option<usize>,
    /// Sample from the most probable tokens that have this probability together
    #[arg(long)]
    pub(crate) top_p: Option<f32>,
    /// Seed of the sampling
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Most tokens up to the answer, instead of the contract's
    #[arg(long, value_name = "N")]
    pub(crate) rationale_tokens: Option<usize>,
    /// Most tokens of the answer, instead of the contract's
    #[arg(long, value_name = "N")]
    pub(crate) answer_tokens: Option<usize>,
    /// End without an answer when the rationale's tokens are used up, instead of forcing one
    #[arg(long)]
    pub(crate) no_force: bool,
    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) time_limit: Option<f64>,
    /// Write up to N rationales and take the answer that most of them come to; samples, with temperature 0.7 by default
    #[arg(long, value_name = "N")]
    pub(crate) votes: Option<NonZeroUsize>,
    /// What a rationale's vote weighs
    #[arg(long, value_name = "BY", requires = "votes", default_value = "majority")]
    pub(crate) weights: VoteWeights,
    /// Stop voting once the leading answer is the student's most probable one with this probability, for instance 0.95
    #[arg(long, value_name = "P", requires = "votes")]
    pub(crate) certainty: Option<f64>,
    /// Rationales that are written side by side; by default what `pupil tune` found, else 8
    #[arg(long, value_name = "N", requires = "votes")]
    pub(crate) rows: Option<NonZeroUsize>,
    /// Most memory for keys and values, in MiB; votes use fewer rows where it is short
    #[arg(long, value_name = "MIB")]
    pub(crate) cache_limit: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VoteWeights {
    /// All the same
    Majority,
    /// How probable the answer was after the rationale
    Confidence,
}

#[derive(Debug, Args)]
pub(crate) struct EngineArguments {
    /// Where the student is computed: cpu, cuda or cuda:N, the GPU with this number
    #[arg(long, value_name = "DEVICE", default_value_t)]
    pub(crate) device: pupil_runtime::Device,
    /// Threads that compute; by default what `pupil tune` found, else one for a small student, else one per core, at most 4
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Whether idle threads look for work for a while before they sleep
    #[arg(long, value_name = "ON|OFF")]
    pub(crate) spinning: Option<Switch>,
    /// Whether ONNX Runtime copies the weights into a layout of its own: long prompts are read faster, memory doubles
    #[arg(long, value_name = "ON|OFF", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub(crate) prepacking: Option<Switch>,
    /// Whether threads are bound to a core each
    #[arg(long, value_name = "ON|OFF")]
    pub(crate) affinity: Option<Switch>,
    /// What keys and values are stored as: float32, float16 or int8, which takes half of float16's memory and changes answers
    /// now and then; by default float16, and float32 for a `float32` bundle; only native bundles offer a choice
    #[arg(long, value_name = "TYPE")]
    pub(crate) cache: Option<pupil_runtime::CacheType>,
    /// Pass over what `pupil tune` stored
    #[arg(long)]
    pub(crate) untuned: bool,
    /// Instructions that a native bundle is computed with: plain, avx2, avx-vnni, avx-512 or neon; by default the fastest here
    #[arg(long, value_name = "SET")]
    pub(crate) instructions: Option<pupil_runtime::InstructionSet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Debug, Args)]
pub(crate) struct OneBundle {
    /// The bundle's folder; by default the default bundle
    pub(crate) bundle: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) bundle: OneBundle,
    /// Where it is run: cpu, cuda or cuda:N; if not on the CPU, its logits are compared with the CPU's
    #[arg(long, value_name = "DEVICE", default_value_t)]
    pub(crate) device: pupil_runtime::Device,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The bundle's folder; by default the default bundle
    pub(crate) bundle: Option<PathBuf>,
    /// Print JSON: one measurement a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Print comma-separated values: one measurement a line
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Write a page with plots to this file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Measure nothing; compare two files that `--json` printed: ratios of the second to the first
    #[arg(long, num_args = 2, value_names = ["A.json", "B.json"], conflicts_with_all = ["bundle", "html", "soak"])]
    pub(crate) compare: Option<Vec<PathBuf>>,
    /// The question that is answered
    #[arg(
        long,
        default_value = "A coin is heads up. Ana flips the coin. Ben does not flip the coin. Is the coin still heads up?"
    )]
    pub(crate) question: String,
    /// Lengths of the prompts that are read, in tokens
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "64,512")]
    pub(crate) prompts: Vec<NonZeroUsize>,
    /// Lengths of the contexts after which tokens are decoded
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "64,512")]
    pub(crate) depths: Vec<NonZeroUsize>,
    /// Tokens decoded after each of these
    #[arg(long, value_name = "N", default_value = "64")]
    pub(crate) tokens: NonZeroUsize,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) runs: NonZeroUsize,
    /// How often everything is done unmeasured before
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) warm_up: usize,
    /// Decode for so long at the end, such as `90s` or `5m`, and see whether the machine slows down
    #[arg(long, value_name = "TIME")]
    pub(crate) soak: Option<String>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches that do not depend on each other")]
pub(crate) struct Tune {
    /// The bundle's folder; by default the default bundle
    pub(crate) bundle: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Rounds in which every candidate is measured once
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) rounds: NonZeroUsize,
    /// Most threads that are tried; by default as many as there are cores
    #[arg(long, value_name = "N")]
    pub(crate) most_threads: Option<NonZeroUsize>,
    /// Try the int8 cache as well: it takes half the memory, and changes answers now and then
    #[arg(long)]
    pub(crate) allow_int8_cache: bool,
    /// Do not save the optimised graph with pre-packed weights: on disk it takes two to three times the bundle's size
    #[arg(long)]
    pub(crate) no_graph: bool,
    /// Measure and show, but store nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// The bundle's folder
    pub(crate) bundle: PathBuf,
    /// The text whose first tokens are the prompt
    #[arg(long)]
    pub(crate) text: String,
    /// Tokens of the prompt
    #[arg(long)]
    pub(crate) prompt_tokens: NonZeroUsize,
    /// Tokens that are decoded
    #[arg(long)]
    pub(crate) tokens: NonZeroUsize,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
