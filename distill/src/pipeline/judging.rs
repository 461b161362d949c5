//! The filter stage: every rationale gets its verdict.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use super::data::{KEPT, STORE};
use super::stage::{Inputs, Stage};
use super::{PipelineError, Report, Run, StageName};
use crate::experiment::{Method, Plan};
use crate::filter::{Counts, Filter, FilterPlan, Judge, Verdict};
use crate::progress::Progress;
use crate::rationale::jsonl::{self, KeptRow};
use crate::rationale::{RationaleRow, Reader, Store, Stored};

/// Verdicts that are written in one transaction.
const BULK_VERDICTS: usize = 4096;

impl Run<'_> {
    /// Judges, or judges again where no stage after it is done.
    pub(super) fn filter(&mut self) -> Result<(), PipelineError> {
        let store = self.path(STORE);
        let inputs = filter_inputs(self.plan, &store)?;
        let standing = Stage::new(&self.plan.folder, StageName::Filter.as_str(), inputs.clone());
        if let Err(PipelineError::OtherInputs { differing, .. }) = standing.standing()
            && !self.recorded(StageName::Samples).is_recorded()
        {
            (self.watch)(Report::Note(format!("judging again: `{differing}` changed")));
            standing.forget()?;
        }
        self.once(StageName::Filter, StageName::Filter.as_str(), inputs, |run, _| {
            let mut store = Store::open(&store)?;
            let counts = run.judge(&mut store)?;
            if counts.kept == 0 {
                return Err(PipelineError::NothingKept { total: counts.total() });
            }
            jsonl::write_each(&run.path(KEPT), |write| {
                store.visit_kept(|stored, weight| write(&KeptRow { row: stored.row, weight }))?;
                Ok::<(), PipelineError>(())
            })?;
            let mut named = vec![("kept".to_owned(), counts.kept as f64)];
            named.extend(counts.rejected.into_iter().map(|(code, count)| (code, count as f64)));
            if !counts.weighed.is_empty() {
                named.push(("down_weighted".to_owned(), counts.down_weighted as f64));
            }
            named.extend(counts.weighed.into_iter().map(|(code, count)| (format!("weighed_for_{code}"), count as f64)));
            named.extend(counts.reported.into_iter().map(|(code, count)| (format!("kept_with_{code}"), count as f64)));
            Ok(named)
        })
    }

    /// Makes the filter due again, and the samples made of what it kept.
    ///
    /// # Errors
    /// Training has begun: it would go on with samples that no longer exist.
    pub fn forget_verdicts(&mut self) -> Result<(), PipelineError> {
        if self.recorded(StageName::Train).is_recorded() || self.path("train").exists() {
            return Err(PipelineError::AlreadyTrained { folder: self.plan.folder.clone() });
        }
        self.recorded(StageName::Samples).forget()?;
        self.recorded(StageName::Filter).forget()
    }

    /// Begins the run with a copy of the rationales of the run in `folder`, so that nothing of them is asked for again; does
    /// nothing if this run has rationales.
    ///
    /// # Errors
    /// There is no store in `folder`; the disk refuses.
    pub fn take_rationales_of(&mut self, folder: &Path) -> Result<(), PipelineError> {
        let own = self.path(STORE);
        if own.exists() {
            return Ok(());
        }
        Ok(Reader::open(&folder.join(STORE))?.copy_to(&own)?)
    }

    fn recorded(&self, stage: StageName) -> Stage<'static> {
        Stage::new(&self.plan.folder, stage.as_str(), Inputs::default())
    }

    /// Gives every rationale in the store its verdict, in memory that does not grow with the run.
    fn judge(&self, store: &mut Store) -> Result<Counts, PipelineError> {
        // A connection of its own, because this one reads while verdicts are written.
        let reader = Reader::open(store.path())?;
        let mut total = 0;
        for source in reader.sources()? {
            total += reader.progress(source.number)?.done;
        }
        let mut judges = Judges::new(self.plan, reader.sources()?.len())?;
        let bar = Progress::new("filter", "rationales", total, 0);
        let mut verdicts = Vec::with_capacity(BULK_VERDICTS);
        store.clear_verdicts()?;
        reader.visit(|Stored { key, row }| {
            if self.interrupt.is_requested() {
                return Err(PipelineError::Interrupted { stage: StageName::Filter.as_str() });
            }
            bar.advance();
            let Some(verdict) = judges.verdict(&row) else { return Ok(()) };
            verdicts.push((key, verdict));
            if verdicts.len() == BULK_VERDICTS {
                store.put_verdicts(&verdicts)?;
                verdicts.clear();
            }
            Ok(())
        })?;
        store.put_verdicts(&verdicts)?;
        bar.finish();
        Ok(judges.counts)
    }

    /// The filter by the teacher's answers.
    pub(super) fn answer_filter(&self) -> Filter {
        answer_filter(self.plan)
    }
}

/// The filter by the teacher's answers.
pub(super) fn answer_filter(plan: &Plan) -> Filter {
    Filter { grader: plan.filter_grader, ..Filter::of(&plan.contract) }
}

fn filter_inputs(plan: &Plan, store: &Path) -> Result<Inputs, PipelineError> {
    let mut inputs = Inputs::default();
    inputs.digest("rationales", Reader::open(store)?.digest()?);
    inputs.settings("grader", &plan.filter_grader);
    inputs.settings("contract", &plan.contract);
    inputs.settings("method", &plan.method);
    if plan.filter != FilterPlan::default() {
        inputs.settings("criteria", &plan.filter.criteria);
        inputs.settings("report", &plan.filter.report);
    }
    if !plan.filter.weigh.is_empty() {
        inputs.settings("weigh", &plan.filter.weigh);
    }
    for criterion in plan.filter.all_criteria() {
        for (path, number) in criterion.files().into_iter().zip(0..) {
            inputs.file(&format!("criteria.{}.{number}", criterion.name()), path)?;
        }
    }
    Ok(inputs)
}

/// The judge that the method asks for.
struct Judges {
    judge: Option<Judge>,
    /// Examples that vanilla fine-tuning has met, by hash; where there is one source, the last one is enough.
    met: HashSet<u64>,
    sources: usize,
    counts: Counts,
}

impl Judges {
    fn new(plan: &Plan, sources: usize) -> Result<Self, PipelineError> {
        let (judge, counts) = match plan.method {
            Method::FineTune => (None, Counts::default()),
            Method::FineTuneCot => (Some(Judge::new(&plan.filter, answer_filter(plan))?), Judge::counts(&plan.filter)),
        };
        Ok(Self { judge, met: HashSet::new(), sources, counts })
    }

    /// The verdict on the next rationale; `None` where there is nothing to judge.
    ///
    /// Vanilla fine-tuning learns the gold answer of every question, whatever its teacher wrote.
    fn verdict(&mut self, row: &RationaleRow) -> Option<Verdict> {
        let verdict = if let Some(judge) = &mut self.judge {
            let judgement = judge.judge(row);
            judgement.reported.iter().for_each(|reason| self.counts.report(reason));
            judgement.verdict
        } else if self.is_first(&row.example.id) {
            Verdict::Keep
        } else {
            return None;
        };
        self.counts.add(&verdict);
        Some(verdict)
    }

    fn is_first(&mut self, id: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let hash = hasher.finish();
        if self.met.contains(&hash) {
            return false;
        }
        if self.sources < 2 {
            self.met.clear();
        }
        self.met.insert(hash)
    }
}
