//! `distill sweep`: every variant of an experiment.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use pupil_distill::experiment::Sweep;
use pupil_distill::interrupt::Interrupt;
use pupil_distill::pipeline::{StageName, SweepPlan, SweepReport, VariantState, sweep as run_variants};

use crate::report;

/// `distill sweep`.
#[derive(Debug, clap::Args)]
pub(crate) struct SweepArgs {
    /// The experiment file, with a `[sweep]`
    pub(crate) experiment: PathBuf,
    /// Folder that holds the runs
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
    /// List the variants and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Run these variants alone
    #[arg(long, value_name = "VARIANT", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// The last stage to run: teach, filter, samples, train, export or eval
    #[arg(long, value_name = "STAGE", default_value = "eval", value_parser = stage)]
    pub(crate) until: StageName,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn stage(name: &str) -> Result<StageName, String> {
    let found = StageName::ALL.into_iter().find(|stage| stage.as_str() == name);
    found.ok_or_else(|| format!("expected one of {}", StageName::ALL.map(StageName::as_str).join(", ")))
}

pub(crate) fn sweep(args: &SweepArgs) -> anyhow::Result<ExitCode> {
    let base = args.experiment.parent().unwrap_or(Path::new("."));
    let plan = SweepPlan::new(&Sweep::read(&args.experiment)?, base, &args.runs)?;
    if let Some(unknown) = args.only.iter().find(|name| plan.names().all(|known| known != name.as_str())) {
        let names: Vec<&str> = plan.names().collect();
        bail!(anyhow!("`--only`: expected variants among {}, found `{unknown}`", names.join(", ")));
    }
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    if args.dry_run {
        plan.names().filter(|name| wanted(name)).try_for_each(report::data)?;
        return Ok(ExitCode::SUCCESS);
    }
    let interrupt = Interrupt::on_signals()?;
    let result = run_variants(&plan, wanted, args.until, &interrupt, &mut report::watch)?;
    if args.json {
        report::data(&serde_json::to_string(&result)?)?;
    } else {
        table(&result)?;
    }
    report::line(&format!("done: `{}`", plan.folder().join("sweep.json").display()));
    let failed = result.variants.iter().any(|variant| variant.state == VariantState::Failed);
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn table(result: &SweepReport) -> std::io::Result<()> {
    for variant in &result.variants {
        let state = match (variant.state, &variant.error) {
            (VariantState::Failed, Some(error)) => format!("failed: {error}"),
            (VariantState::NotRun, _) => "not run".to_owned(),
            _ if variant.evals.is_empty() => "done".to_owned(),
            _ => {
                let evals = variant.evals.iter().map(|(name, eval)| format!("{name}: {}", report::sentence(eval)));
                evals.collect::<Vec<_>>().join("; ")
            }
        };
        report::data(&format!("{}  {state}", variant.name))?;
    }
    Ok(())
}
