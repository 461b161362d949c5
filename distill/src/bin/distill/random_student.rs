//! `distill random-student`: a checkpoint for measurements.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use pupil_distill::interrupt::Interrupt;
use pupil_distill::random_student::{RandomStudentPlan, WeightElement, write};
use pupil_models::preset::Preset;

use crate::report;

/// `distill random-student`.
#[derive(Debug, clap::Args)]
pub(crate) struct RandomStudentArgs {
    /// Sizes: micro, smollm2-135m, qwen2.5-0.5b, qwen2.5-1.5b
    #[arg(long)]
    shape: Preset,
    /// Number from which every weight follows
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Element type of the weights
    #[arg(long, value_enum, default_value_t = Element::Float32)]
    element: Element,
    /// The folder that will appear
    #[arg(long)]
    out: PathBuf,
    /// A `tokenizer.json` to take; a random one of the whole vocabulary if absent
    #[arg(long)]
    tokenizer: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Element {
    Float32,
    Bfloat16,
}

pub(crate) fn random_student(args: &RandomStudentArgs) -> anyhow::Result<ExitCode> {
    let config = args.shape.config()?;
    let plan = RandomStudentPlan {
        config: &config,
        seed: args.seed,
        element: match args.element {
            Element::Float32 => WeightElement::Float32,
            Element::Bfloat16 => WeightElement::BFloat16,
        },
        tokenizer: args.tokenizer.as_deref(),
        target: &args.out,
    };
    write(&plan, &Interrupt::on_signals()?)?;
    report::line(&format!("wrote `{}`: {} weights that nobody trained", args.out.display(), config.parameter_count()));
    Ok(ExitCode::SUCCESS)
}
