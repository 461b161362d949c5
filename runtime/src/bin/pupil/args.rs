//! The command line: syntax only.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    Verify(OneBundle),
    /// Measures load time, latencies, throughput and memory
    Bench(Bench),
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
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Debug, Args)]
pub(crate) struct EngineArguments {
    /// Threads that compute; by default one for a small student, else one per core, at most 4
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
    /// Let ONNX Runtime copy the weights into a layout of its own: long prompts are read faster, memory doubles
    #[arg(long)]
    pub(crate) prepacking: bool,
    /// Instructions that a native bundle is computed with: plain, avx2, avx-vnni, avx-512 or neon; by default the fastest here
    #[arg(long, value_name = "SET")]
    pub(crate) instructions: Option<pupil_runtime::InstructionSet>,
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
pub(crate) struct Bench {
    /// The bundle's folder; by default the default bundle
    pub(crate) bundle: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The question that is answered
    #[arg(
        long,
        default_value = "A coin is heads up. Ana flips the coin. Ben does not flip the coin. Is the coin still heads up?"
    )]
    pub(crate) question: String,
    /// Tokens of the synthetic prompt
    #[arg(long, value_name = "N", default_value = "64")]
    pub(crate) prompt_tokens: std::num::NonZeroUsize,
    /// Tokens decoded after the synthetic prompt
    #[arg(long, value_name = "N", default_value = "64")]
    pub(crate) tokens: std::num::NonZeroUsize,
    /// How often everything is repeated
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) runs: std::num::NonZeroUsize,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
