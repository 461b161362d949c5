//! `distill teach`.

use std::process::ExitCode;

use pupil_distill::experiment::Plan;
use pupil_distill::pipeline::{StageName, completions_failed, estimates};
use pupil_distill::teacher::TeachOptions;

use crate::args::RunArgs;
use crate::{report, run};

/// `distill teach`.
#[derive(Debug, clap::Args)]
pub(crate) struct TeachArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Send nothing; print what would be asked, and what it would cost at most
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Stop before more than so many US dollars are spent, over the whole run; exit with 3 then
    #[arg(long, value_name = "USD")]
    pub(crate) max_cost: Option<f64>,
    /// Stop after so many requests; exit with 3 then
    #[arg(long, value_name = "N")]
    pub(crate) max_requests: Option<u64>,
    /// Ask again for every completion that failed
    #[arg(long)]
    pub(crate) retry_failed: bool,
}

pub(crate) fn teach(args: &TeachArgs) -> anyhow::Result<ExitCode> {
    let plan = run::plan(&args.run)?;
    if args.dry_run {
        return dry_run(&plan);
    }
    let options = TeachOptions {
        max_cost_usd: args.max_cost,
        max_requests: args.max_requests,
        retry_failed: args.retry_failed,
        notice: Some(report::line),
        ..TeachOptions::default()
    };
    run::run_plan_with(&plan, StageName::Teach, options)?;
    let failed = completions_failed(&plan)?;
    if failed > 0 {
        report::line(&format!("{failed} completions failed; `distill teach --retry-failed` asks for them again"));
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

/// One line a source; costs are those of the longest replies.
fn dry_run(plan: &Plan) -> anyhow::Result<ExitCode> {
    for (number, estimate) in estimates(plan)? {
        let cost = match estimate.most_cost_usd {
            Some(cost) => format!("at most ${cost:.4}"),
            None => "no price given".to_owned(),
        };
        report::data(&format!(
            "source {number}: {} of {} completions done (${:.4} spent); {} requests left, about {} prompt tokens, at most {} \
             completion tokens, {cost}",
            estimate.done,
            estimate.completions,
            estimate.spent_usd,
            estimate.requests,
            estimate.prompt_tokens,
            estimate.most_completion_tokens,
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
