//! `distill grade`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use pupil_distill::eval::wilson;
use pupil_distill::grading::{GradeError, Grading, Row, RowFault, visit_rows};
use pupil_models::answer::{AnswerKind, Grader, PublishedTemplate, TASKS, task};

use crate::report;

/// `distill grade`.
#[derive(Debug, clap::Args)]
pub(crate) struct GradeArgs {
    /// JSON lines with `completion` (else `prediction`, else `rationale`) and `answer`; `-` is stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The task, which decides the form of its answers, such as `svamp`
    #[arg(long, required_unless_present = "compare")]
    task: Option<String>,
    /// The prompt's template, which decides the text that announces the answer:
    /// `none`, `zs`, `zs_cot`, `fs_cot`, `ft_token`, `ft_cot_token` or `ft_cot_natural`
    #[arg(long, default_value_t)]
    template: PublishedTemplate,
    /// How answers are found and compared: published (as the paper's code does) or robust
    #[arg(long, default_value_t = Grader::Published)]
    grader: Grader,
    /// Grade the text of this key
    #[arg(long, value_name = "KEY")]
    field: Option<String>,
    /// Leave bad rows out and count them, instead of stopping
    #[arg(long)]
    skip_bad: bool,
    /// Print how both graders do on each file, and what the robust one mends and breaks; without --task, rows name theirs as
    /// `dataset`
    #[arg(long, conflicts_with_all = ["grader", "skip_bad"])]
    compare: bool,
}

pub(crate) fn grade(args: &GradeArgs) -> anyhow::Result<ExitCode> {
    if args.compare {
        return compare(args);
    }
    let [file] = args.files.as_slice() else {
        bail!("expected one file, found {}; only --compare takes several", args.files.len());
    };
    let grading = Grading {
        kind: kind(args.task.as_deref().unwrap_or_default())?,
        grader: args.grader,
        marker: args.template.marker().map(str::to_owned),
        field: args.field.clone(),
        skip_bad: args.skip_bad,
    };
    let mut output = BufWriter::new(std::io::stdout().lock());
    let graded = grading.rows(open(file)?, &file.display().to_string(), &mut output)?;
    if let Some((line, fault)) = &graded.first_bad {
        report::line(&format!("skipped {} bad rows, the first on line {line}: {fault}", graded.bad));
    }
    report::line(&format!("graded {} rows{}", graded.rows, accuracy(graded.correct, graded.rows)));
    Ok(ExitCode::SUCCESS)
}

fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let opened = File::open(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    Ok(Box::new(BufReader::with_capacity(1 << 16, opened)))
}

fn kind(key: &str) -> anyhow::Result<AnswerKind> {
    let known = || TASKS.iter().map(|task| format!("`{}`", task.key)).collect::<Vec<_>>().join(", ");
    task(key).map(|task| task.kind).with_context(|| format!("unknown task: expected one of {}, found `{key}`", known()))
}

fn accuracy(correct: usize, rows: usize) -> String {
    if rows == 0 {
        return String::new();
    }
    let (low, high) = wilson(correct, rows);
    format!(
        ": accuracy {:.2} % [{:.2}, {:.2}] (95 % Wilson)",
        100.0 * correct as f64 / rows as f64,
        100.0 * low,
        100.0 * high
    )
}

/// What two graders make of a file.
#[derive(Default)]
struct Comparison {
    rows: usize,
    published: usize,
    robust: usize,
    /// Right to the robust grader alone, and to the published one alone.
    mended: usize,
    broken: usize,
}

fn compare(args: &GradeArgs) -> anyhow::Result<ExitCode> {
    report::data(&format!(
        "{:<44} {:>6} {:>9} {:>9} {:>7} {:>7}",
        "", "rows", "published", "robust", "mended", "broken"
    ))?;
    let mut all = Comparison::default();
    for file in &args.files {
        let name = file.display().to_string();
        let mut kinds = BTreeMap::new();
        let mut comparison = Comparison::default();
        visit_rows(open(file)?, &name, |line, row| {
            let graded = row.and_then(|row| comparison.add(args, &row, &mut kinds));
            graded.map_err(|fault| GradeError::Row { name: name.clone(), line, fault })
        })?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        report::data(&comparison.line(&stem))?;
        all.rows += comparison.rows;
        all.published += comparison.published;
        all.robust += comparison.robust;
        all.mended += comparison.mended;
        all.broken += comparison.broken;
    }
    if args.files.len() > 1 {
        report::data(&all.line("all"))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Comparison {
    fn add(&mut self, args: &GradeArgs, row: &Row, kinds: &mut BTreeMap<String, AnswerKind>) -> Result<(), RowFault> {
        let named = row.value("dataset").and_then(|value| value.as_str().map(str::to_owned));
        let key = args.task.clone().or(named).unwrap_or_default();
        let kind = if let Some(kind) = kinds.get(&key) {
            *kind
        } else {
            let unknown =
                |_| RowFault::Value { key: "dataset".to_owned(), expected: "a known task", found: format!("`{key}`") };
            *kinds.entry(key.clone()).or_insert(self::kind(&key).map_err(unknown)?)
        };
        let (_, completion) = row.completion(args.field.as_deref())?;
        let gold = row.gold()?;
        let marker = args.template.marker();
        let is_right = |grader: Grader| {
            let prediction = grader.predict(kind, &completion, marker);
            grader.is_correct(kind, prediction.as_ref(), &gold)
        };
        let (published, robust) = (is_right(Grader::Published), is_right(Grader::Robust));
        self.rows += 1;
        self.published += usize::from(published);
        self.robust += usize::from(robust);
        self.mended += usize::from(robust && !published);
        self.broken += usize::from(published && !robust);
        Ok(())
    }

    fn line(&self, name: &str) -> String {
        let percent = |count: usize| 100.0 * count as f64 / self.rows.max(1) as f64;
        format!(
            "{name:<44} {:>6} {:>9.2} {:>9.2} {:>7} {:>7}",
            self.rows,
            percent(self.published),
            percent(self.robust),
            self.mended,
            self.broken
        )
    }
}
