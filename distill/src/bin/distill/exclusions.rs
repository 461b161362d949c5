//! `exclude`: fingerprints of questions that `program` teachers must avoid.

use std::process::ExitCode;

use pupil_distill::dataset::Dataset;
use pupil_distill::teacher::program::Exclusions;

use crate::args::ExcludeArgs;
use crate::report;

pub(crate) fn write(args: &ExcludeArgs) -> anyhow::Result<ExitCode> {
    let mut all = Exclusions::default();
    let mut names = Vec::new();
    for path in &args.data {
        let dataset = Dataset::read(path)?;
        all.extend(&Exclusions::of_questions(dataset.examples().iter().map(|example| &example.question)));
        names.push(format!("{} ({} questions)", dataset.task(), dataset.examples().len()));
    }
    all.write(&args.out, &format!("Questions that must not be generated: {}", names.join(", ")))?;
    report::line(&format!("{} fingerprints in `{}`", all.len(), args.out.display()));
    Ok(ExitCode::SUCCESS)
}
