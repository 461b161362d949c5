//! `distill filter`.

use std::process::ExitCode;

use anyhow::bail;
use pupil_distill::filter::{Criterion, Effect, Reason, SampleWeight, arithmetic};
use pupil_distill::interrupt::Interrupt;
use pupil_distill::pipeline::{Explanation, Run, StageName, explain, rationales};

use crate::args::RunArgs;
use crate::{report, run};

/// `distill filter`.
#[derive(Debug, clap::Args)]
pub(crate) struct FilterArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Show what every criterion says about one completion, such as `coin_flip/12#0`; changes nothing
    #[arg(long, value_name = "ID", conflicts_with_all = ["rejected", "again", "rationales_of"])]
    explain: Option<String>,
    /// List the rejected completions with their reasons, or those of one reason such as `wrong_answer`; changes nothing
    #[arg(long, value_name = "REASON", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["again", "rationales_of"])]
    rejected: Option<String>,
    /// Judge again although samples were made of what was kept; not after training has begun
    #[arg(long)]
    again: bool,
    /// Begin the run with the rationales of another run, by its name, instead of asking the teachers
    #[arg(long, value_name = "RUN")]
    rationales_of: Option<String>,
}

pub(crate) fn filter(args: &FilterArgs) -> anyhow::Result<ExitCode> {
    let plan = run::plan(&args.run)?;
    if let Some(id) = &args.explain {
        for explanation in explain(&plan, id)? {
            show(&explanation, &plan.filter.criteria)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(reason) = &args.rejected {
        return list(&plan, reason);
    }
    let interrupt = Interrupt::on_signals()?;
    let mut watch = report::watch;
    let mut run = Run::open(&plan, &interrupt, &mut watch)?;
    if let Some(other) = &args.rationales_of {
        run.take_rationales_of(&args.run.runs.join(other))?;
    }
    if args.again {
        run.forget_verdicts()?;
    }
    run.through(StageName::Filter)?;
    Ok(ExitCode::SUCCESS)
}

fn list(plan: &pupil_distill::experiment::Plan, reason: &str) -> anyhow::Result<ExitCode> {
    let reason = Some(reason).filter(|reason| !reason.is_empty());
    if let Some(reason) = reason.filter(|reason| !Reason::CODES.contains(reason)) {
        bail!("unknown reason: expected one of `{}`, found `{reason}`", Reason::CODES.join("`, `"));
    }
    let reader = rationales(plan)?;
    if !reader.has_verdicts()? {
        bail!("store `{}`: expected verdicts, found none; `distill filter` makes them", reader.path().display());
    }
    let print = |id: &str, code: &str, detail: &str| report::data(&format!("{id}\t{code}\t{detail}"));
    reader.visit_rejected(reason, |id, code, detail| Ok::<(), anyhow::Error>(print(id, code, detail)?))?;
    Ok(ExitCode::SUCCESS)
}

fn show(explanation: &Explanation, criteria: &[Criterion]) -> std::io::Result<()> {
    let Explanation { row, prediction, findings } = explanation;
    let completion = &row.completion;
    report::data(&format!("{} by `{}`\n\nquestion: {}\n", row.id(), row.teacher, row.example.question.trim()))?;
    report::data(&format!("rationale:\n{}\n", completion.rationale.trim()))?;
    if let Some(text) = &completion.prediction {
        report::data(&format!("answer step: {}", text.trim()))?;
    }
    let found = prediction.as_ref().map_or_else(|| "none".to_owned(), |answer| format!("`{answer}`"));
    report::data(&format!("answer found: {found}, gold: `{}`", row.example.gold))?;
    for equation in arithmetic::equations(completion.reasoning()) {
        let mark = if equation.holds { "right" } else { "WRONG" };
        let words: Vec<&str> = equation.text.split_whitespace().collect();
        report::data(&format!("equation: {} ({mark})", words.join(" ")))?;
    }
    report::data("")?;
    let (mut decided, mut weight) = (false, SampleWeight::FULL);
    for finding in findings {
        let said = match (&finding.objection, finding.effect) {
            (None, _) => "passes".to_owned(),
            (Some(reason), Effect::Reports) => format!("reports: {reason}"),
            (Some(reason), Effect::Weighs(factor)) => {
                weight = weight.and(factor);
                format!("weighs {factor}: {reason}")
            }
            (Some(reason), Effect::Rejects) if decided => format!("objects as well: {reason}"),
            (Some(reason), Effect::Rejects) => {
                decided = true;
                format!("REJECTS: {reason}")
            }
        };
        report::data(&format!("{:>16}  {said}", finding.criterion))?;
    }
    let verdict = match () {
        () if decided => "rejected".to_owned(),
        () if weight.is_full() => "kept".to_owned(),
        () => format!("kept with weight {weight}"),
    };
    report::data(&format!("\nverdict: {verdict} ({} criteria)\n", criteria.len()))
}
