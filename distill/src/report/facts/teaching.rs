//! The rationale store: what each source wrote, how right it was, what it took.

use std::collections::BTreeMap;
use std::path::Path;

use pupil_models::contract::ReasoningContract;
use pupil_models::tokenizer::Tokenizer;

use super::Settings;
use crate::filter::{Filter, Reason, Verdict};
use crate::rationale::{RationaleRow, Reader, Spending, Stored};
use crate::report::ReportError;
use crate::teacher::Finish;

/// Rationales of a run that are looked at one by one; more would not change a picture, and memory stays bounded.
const MOST_LESSONS: u64 = 4_000;

/// A source of a run.
#[derive(Clone, Debug)]
pub(in crate::report) struct SourceFacts {
    /// Its number.
    pub(in crate::report) number: u32,
    /// The teacher's name.
    pub(in crate::report) teacher: String,
    /// The task's key, where all its examples are of one task.
    pub(in crate::report) task: Option<String>,
    /// Registered examples.
    pub(in crate::report) examples: u64,
    /// Finished completions.
    pub(in crate::report) done: u64,
    /// Completions that failed.
    pub(in crate::report) failed: u64,
    /// Finished completions with the right answer; `None` where no grader is known.
    pub(in crate::report) correct: Option<u64>,
    /// Tokens, cost, time.
    pub(in crate::report) spending: Spending,
    /// Verdicts: `kept`, kept with less weight, or the reason's code.
    pub(in crate::report) verdicts: BTreeMap<String, u64>,
}

impl SourceFacts {
    /// Number and teacher: `0 · text-davinci-002`.
    pub(in crate::report) fn label(&self) -> String {
        format!("{} · {}", self.number, self.teacher)
    }
}

/// One completion of a teacher, as far as the report looks at it.
#[derive(Clone, Debug)]
pub(in crate::report) struct Lesson {
    /// The completion and its example.
    pub(in crate::report) row: RationaleRow,
    /// Whether its answer is right, where a grader is known.
    pub(in crate::report) correct: Option<bool>,
    /// The answer that was found, where the right one was not.
    pub(in crate::report) prediction: Option<String>,
    /// The reason of the latest filter, if it rejected it.
    pub(in crate::report) reason: Option<String>,
    /// Its length under the student's contract, in tokens of the student or in words.
    pub(in crate::report) length: usize,
}

impl Lesson {
    /// Whether the teacher ended it; true where it gave no reason for stopping.
    pub(in crate::report) fn is_complete(&self) -> bool {
        self.row.completion.finish != Some(Finish::Length)
    }
}

/// Lessons spread evenly over all finished completions.
#[derive(Clone, Debug, Default)]
pub(in crate::report) struct Lessons {
    /// Every so manieth completion was taken.
    pub(in crate::report) stride: u64,
    /// What was taken, in the order of the experiment.
    pub(in crate::report) taken: Vec<Lesson>,
}

/// Reads the store of the run in `folder`, if there is one.
pub(super) fn read(
    folder: &Path,
    settings: Option<&Settings>,
    contract: Option<&ReasoningContract>,
    tokenizer: Option<&Tokenizer>,
) -> Result<(Vec<SourceFacts>, Lessons), ReportError> {
    let path = folder.join("rationales.db");
    if !path.is_file() {
        return Ok((Vec::new(), Lessons::default()));
    }
    let reader = Reader::open(&path)?;
    let mut sources = reader
        .sources()?
        .into_iter()
        .map(|source| facts(&reader, source.number, source.teacher))
        .collect::<Result<Vec<_>, ReportError>>()?;
    let total: u64 = sources.iter().map(|source| source.done).sum();
    let mut lessons = Lessons { stride: total.div_ceil(MOST_LESSONS).max(1), taken: Vec::new() };
    let filter = contract.map(|contract| filter(settings, contract));
    let measure = |row: &RationaleRow| {
        length(row, contract, tokenizer).map_err(|source| ReportError::Tokenizer { path: path.clone(), source })
    };
    let mut seen = 0;
    reader.visit(|stored| {
        let verdict = filter.as_ref().map(|filter| filter.verdict(&stored.row));
        let source = sources.iter_mut().find(|source| source.number == stored.source());
        if let Some(source) = source {
            note(source, &stored, verdict.as_ref());
        }
        if seen % lessons.stride == 0 {
            let judgement = reader.judgement(&stored)?.filter(|judgement| !judgement.keep);
            let reason = judgement.and_then(|judgement| judgement.reason);
            let correct = verdict.as_ref().map(Verdict::is_keep);
            let length = measure(&stored.row)?;
            lessons.taken.push(Lesson { correct, prediction: prediction(verdict), reason, length, row: stored.row });
        }
        seen += 1;
        Ok::<(), ReportError>(())
    })?;
    Ok((sources, lessons))
}

fn facts(reader: &Reader, number: u32, teacher: String) -> Result<SourceFacts, ReportError> {
    let progress = reader.progress(number)?;
    Ok(SourceFacts {
        number,
        teacher,
        task: None,
        examples: progress.examples,
        done: progress.done,
        failed: progress.failed,
        correct: None,
        spending: reader.spending(number)?,
        verdicts: reader.verdicts(number)?,
    })
}

/// The answer filter that the run's settings describe.
fn filter(settings: Option<&Settings>, contract: &ReasoningContract) -> Filter {
    let grader = settings.and_then(Settings::filter_grader).unwrap_or(contract.grader);
    Filter { grader, ..Filter::of(contract) }
}

fn note(source: &mut SourceFacts, stored: &Stored, verdict: Option<&Verdict>) {
    if let Some(verdict) = verdict {
        *source.correct.get_or_insert(0) += u64::from(verdict.is_keep());
    }
    let task = &stored.row.example.task;
    match &source.task {
        None => source.task = Some(task.clone()),
        // Several tasks in one source: there is no one name for them.
        Some(known) if known != task => source.task = Some(String::new()),
        Some(_) => {}
    }
}

fn prediction(verdict: Option<Verdict>) -> Option<String> {
    match verdict {
        Some(Verdict::Reject(Reason::WrongAnswer { prediction })) => Some(prediction),
        _ => None,
    }
}

/// Tokens of the completion as the student is taught it, or words of the reasoning.
fn length(
    row: &RationaleRow,
    contract: Option<&ReasoningContract>,
    tokenizer: Option<&Tokenizer>,
) -> Result<usize, pupil_models::tokenizer::TokenizerError> {
    let reasoning = row.completion.reasoning();
    match (contract, tokenizer) {
        (Some(contract), Some(tokenizer)) => {
            Ok(tokenizer.encode(&contract.completion(reasoning, &row.example.gold))?.len())
        }
        _ => Ok(reasoning.split_whitespace().count()),
    }
}
