//! `distill compare`: prompting methods on one student.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pupil_distill::dataset::SplitReference;
use pupil_distill::eval::PromptingMethod;
use pupil_distill::eval::prompted::PUBLISHED_COMPLETION_TOKENS;
use pupil_distill::experiment::{
    EvalTable, ExperimentError, MeasuredStudent, Measurement, MeasurementPlan, PromptingTable,
};
use pupil_distill::interrupt::Interrupt;
use pupil_distill::pipeline::{Comparison, compare as compare_methods};
use pupil_models::answer::Grader;
use pupil_models::bundle::MANIFEST;

use crate::report;

/// `distill compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// A bundle, or a Hugging Face style checkpoint, which is exported first
    #[arg(long)]
    pub(crate) student: PathBuf,
    /// The checkpoint's reasoning contract (`reasoning.json`), for the method `trained`
    #[arg(long)]
    pub(crate) contract: Option<PathBuf>,
    /// The dataset, JSON lines with `id`, `question` and `answer`
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// Which of its examples, as SPLIT.json:NAME; all if absent
    #[arg(long)]
    pub(crate) split: Option<SplitReference>,
    /// The methods: random, zero-shot, zero-shot-cot, few-shot-cot, trained; all that are possible if absent
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    pub(crate) method: Vec<PromptingMethod>,
    /// File of exemplar blocks by task, for few-shot-cot
    #[arg(long)]
    pub(crate) exemplars: Option<PathBuf>,
    /// Who grades prompted completions: published or robust
    #[arg(long, default_value = "published")]
    pub(crate) grader: Grader,
    /// Most tokens of a prompted completion, in each step
    #[arg(long, default_value_t = PUBLISHED_COMPLETION_TOKENS)]
    pub(crate) completion_tokens: usize,
    /// Folder of the results, one run a method; `runs/compare-STUDENT` if absent
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn compare(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let out = args.out.clone().unwrap_or_else(|| {
        let name = args.student.file_name().unwrap_or_default().to_string_lossy();
        Path::new("runs").join(format!("compare-{name}"))
    });
    let is_bundle = args.student.join(MANIFEST).exists();
    let plans = methods(args, is_bundle)
        .into_iter()
        .map(|method| MeasurementPlan::new(&measurement(args, method, is_bundle), Path::new(""), &out))
        .collect::<Result<Vec<_>, ExperimentError>>()?;
    let result = compare_methods(plans, &out, &Interrupt::on_signals()?, &mut report::watch)?;
    if args.json {
        report::data(&serde_json::to_string(&result)?)?;
    } else {
        table(&result)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The methods asked for; else all for which everything is there.
fn methods(args: &CompareArgs, is_bundle: bool) -> Vec<PromptingMethod> {
    if !args.method.is_empty() {
        return args.method.clone();
    }
    let possible = |method: &PromptingMethod| match method {
        PromptingMethod::FewShotCot => args.exemplars.is_some(),
        PromptingMethod::Trained => is_bundle || args.contract.is_some(),
        _ => true,
    };
    PromptingMethod::ALL.into_iter().filter(possible).collect()
}

fn measurement(args: &CompareArgs, method: PromptingMethod, is_bundle: bool) -> Measurement {
    let student = Some(args.student.clone());
    let (bundle, checkpoint) = if is_bundle { (student, None) } else { (None, student) };
    Measurement {
        name: method.as_str().to_owned(),
        method,
        student: MeasuredStudent { bundle, checkpoint, contract: args.contract.clone() },
        prompting: PromptingTable {
            exemplars: args.exemplars.clone(),
            grader: args.grader,
            completion_tokens: args.completion_tokens,
        },
        eval: vec![EvalTable {
            data: args.data.clone(),
            split: args.split.clone(),
            optional: false,
            budgets: Vec::new(),
        }],
    }
}

fn table(result: &Comparison) -> std::io::Result<()> {
    for method in &result.methods {
        let text = match (&method.report, &method.error) {
            (Some(numbers), _) => report::sentence(numbers),
            (None, error) => format!("cannot: {}", error.as_deref().unwrap_or_default()),
        };
        report::data(&format!("{:<14} {text}", method.method.as_str()))?;
    }
    for pair in &result.pairs {
        let paired = &pair.paired;
        report::data(&format!(
            "{} − {}: {:+.2} points [{:+.2}, {:+.2}], exact McNemar p = {:.2e}",
            pair.first,
            pair.second,
            100.0 * paired.difference,
            100.0 * paired.low,
            100.0 * paired.high,
            paired.p_value
        ))?;
    }
    Ok(())
}
