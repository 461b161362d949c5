//! `distill teach`.

use std::process::ExitCode;

use pupil_distill::experiment::Plan;
use pupil_distill::pipeline::{StageName, completions_failed, estimates};
use pupil_distill::teacher::{Shard, TeachOptions};

use crate::args::RunArgs;
use crate::{report, run};

/// `distill teach`.
#[derive(Debug, clap::Args)]
pub(crate) struct TeachArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Only part K of N of the examples, in a store that `distill merge` joins with the others; `auto` and `auto/N` take K
    /// from a Slurm array or a Kubernetes indexed job
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// Go on although settings differ from those that the store was made with; the change is recorded
    #[arg(long)]
    accept: bool,
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
        return dry_run(&plan, args.shard);
    }
    let options = TeachOptions {
        max_cost_usd: args.max_cost,
        max_requests: args.max_requests,
        retry_failed: args.retry_failed,
        shard: args.shard,
        accept: args.accept,
        notice: Some(report::line),
    };
    run::run_plan_with(&plan, options, StageName::Teach)?;
    let failed = completions_failed(&plan, args.shard)?;
    if failed > 0 {
        report::line(&format!("{failed} completions failed; `distill teach --retry-failed` asks for them again"));
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

/// One line a source; costs are those of the longest replies.
fn dry_run(plan: &Plan, shard: Option<Shard>) -> anyhow::Result<ExitCode> {
    for (number, estimate) in estimates(plan, shard)? {
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
