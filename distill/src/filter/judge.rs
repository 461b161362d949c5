//! The criteria of an experiment, put to one rationale after the other.

use std::collections::{BTreeMap, HashSet};

use pupil_models::answer::Answer;

use super::arithmetic::Checker;
use super::contamination::TestQuestions;
use super::criterion::{Criterion, Length};
use super::{Counts, Filter, FilterError, FilterPlan, Reason, SampleWeight, Verdict};
use super::{duplicate, repetition, support, wording, words};
use crate::rationale::RationaleRow;
use crate::teacher::Finish;

/// From this share of groups of words on, a rationale is an echo of its question, in per cent.
const ECHO_PERCENT: u32 = 80;
/// From this share of letters on, a text is in another script, in per cent.
const FOREIGN_PERCENT: u32 = 50;

/// What one criterion says about one rationale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The criterion's name.
    pub criterion: &'static str,
    /// What it has against the rationale, if anything.
    pub objection: Option<Reason>,
    /// What an objection does.
    pub effect: Effect,
}

/// What a criterion's objection does to a rationale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The rationale is rejected.
    Rejects,
    /// The rationale counts less.
    Weighs(SampleWeight),
    /// It is counted, nothing else.
    Reports,
}

/// A verdict, and what is to be known beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict: the objection of the first criterion that has one, else those of the criteria that weigh.
    pub verdict: Verdict,
    /// What the reported criteria found in a kept rationale.
    pub reported: Vec<Reason>,
}

/// Judges rationales in the order of the run.
///
/// Memory is bounded by one question's kept completions, and by the test questions and lists that the criteria name.
#[derive(Debug)]
pub struct Judge {
    answer: Filter,
    /// Those that reject, then those that weigh, then those that report.
    checks: Vec<(Check, Effect)>,
    question: Question,
    scratch: Scratch,
}

/// A criterion with what it has to know.
#[derive(Debug)]
enum Check {
    Plain(Criterion),
    Contamination(TestQuestions),
    Listed(HashSet<String>),
}

impl Check {
    fn new(criterion: &Criterion) -> Result<Self, FilterError> {
        Ok(match criterion {
            Criterion::Contamination(plan) => Self::Contamination(TestQuestions::read(plan)?),
            Criterion::HandChecked(path) => {
                let failed = |source| FilterError::List { path: path.clone(), source };
                let text = std::fs::read_to_string(path).map_err(failed)?;
                Self::Listed(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
            }
            other => Self::Plain(other.clone()),
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Plain(criterion) => criterion.name(),
            Self::Contamination(_) => "contamination",
            Self::Listed(_) => "hand_checked",
        }
    }
}

/// The question under way.
#[derive(Debug, Default)]
struct Question {
    id: String,
    teacher: String,
    kept: duplicate::Kept,
    words: Vec<u64>,
    groups: words::GroupSet,
    /// Groups that the question shares with test questions.
    shared: words::GroupSet,
    /// The test example that the question is.
    test: Option<String>,
}

/// What is worked out once a rationale, in memory that is used again.
#[derive(Debug, Default)]
struct Scratch {
    words: Vec<u64>,
    has_words: bool,
    has_prediction: bool,
    prediction: Option<Answer>,
    set: Option<Vec<u64>>,
    lower: String,
    seen: words::GroupSet,
    arithmetic: Checker,
}

impl Judge {
    /// A judge of what `plan` asks, with answers found as `answer` says.
    ///
    /// # Errors
    /// A file that a criterion names cannot be read.
    pub fn new(plan: &FilterPlan, answer: Filter) -> Result<Self, FilterError> {
        let rejecting = plan.criteria.iter().map(|criterion| (criterion, Effect::Rejects));
        let weighing = plan.weigh.iter().map(|weighing| (&weighing.criterion, Effect::Weighs(weighing.weight)));
        let reporting = plan.report.iter().map(|criterion| (criterion, Effect::Reports));
        let checks = rejecting.chain(weighing).chain(reporting);
        let checks = checks.map(|(criterion, effect)| Ok((Check::new(criterion)?, effect)));
        Ok(Self {
            answer,
            checks: checks.collect::<Result<_, FilterError>>()?,
            question: Question::default(),
            scratch: Scratch::default(),
        })
    }

    /// Counts with a 0 for every reason that could be given.
    #[must_use]
    pub fn counts(plan: &FilterPlan) -> Counts {
        fn zeros<'a>(criteria: impl IntoIterator<Item = &'a Criterion>) -> BTreeMap<String, usize> {
            criteria.into_iter().flat_map(Criterion::codes).map(|code| ((*code).to_owned(), 0)).collect()
        }
        Counts {
            rejected: zeros(&plan.criteria),
            weighed: zeros(plan.weigh.iter().map(|weighing| &weighing.criterion)),
            reported: zeros(&plan.report),
            ..Counts::default()
        }
    }

    /// The verdict on the next rationale.
    ///
    /// Rows come ordered by question: what is remembered of one question is forgotten at the next.
    pub fn judge(&mut self, row: &RationaleRow) -> Judgement {
        self.begin(row);
        let (mut weight, mut reasons, mut reported) = (SampleWeight::FULL, Vec::new(), Vec::new());
        for at in 0..self.checks.len() {
            let Some(reason) = self.objection(at, row) else { continue };
            match self.checks[at].1 {
                Effect::Rejects => return Judgement { verdict: Verdict::Reject(reason), reported },
                Effect::Weighs(factor) => {
                    weight = weight.and(factor);
                    reasons.push(reason);
                }
                Effect::Reports => reported.push(reason),
            }
        }
        self.keep(row);
        let verdict = if reasons.is_empty() { Verdict::Keep } else { Verdict::Weigh { weight, reasons } };
        Judgement { verdict, reported }
    }

    /// What every criterion says about the next rationale, in order.
    pub fn explain(&mut self, row: &RationaleRow) -> Vec<Finding> {
        self.begin(row);
        let mut findings = Vec::new();
        for at in 0..self.checks.len() {
            let objection = self.objection(at, row);
            let (check, effect) = &self.checks[at];
            findings.push(Finding { criterion: check.name(), objection, effect: *effect });
        }
        if findings.iter().all(|finding| finding.effect != Effect::Rejects || finding.objection.is_none()) {
            self.keep(row);
        }
        findings
    }

    fn begin(&mut self, row: &RationaleRow) {
        self.scratch.has_words = false;
        self.scratch.has_prediction = false;
        self.scratch.set = None;
        let question = &mut self.question;
        if question.id == row.example.id && question.teacher == row.teacher {
            return;
        }
        question.id.clone_from(&row.example.id);
        question.teacher.clone_from(&row.teacher);
        question.kept.clear();
        let checks = || self.checks.iter().map(|(check, _)| check);
        let test = checks().find_map(|check| if let Check::Contamination(test) = check { Some(test) } else { None });
        let echo = checks().any(|check| matches!(check, Check::Plain(Criterion::Echo)));
        if test.is_some() || echo {
            words::hash_into(&row.example.question, &mut question.words);
            wording::question_groups(&question.words, &mut question.groups);
        }
        if let Some(test) = test {
            question.test = test.is_question(&question.words).map(str::to_owned);
            test.shared(&question.words, &mut question.shared);
        }
    }

    /// Remembers a kept rationale for those of the same question that follow.
    fn keep(&mut self, row: &RationaleRow) {
        let text = reasoning(&self.answer, row);
        for (check, _) in &self.checks {
            match check {
                Check::Plain(Criterion::ExactDuplicate) => self.question.kept.keep_text(row.completion.index, text),
                Check::Plain(Criterion::NearDuplicate(near)) => {
                    let set = self.scratch.set(text).to_vec();
                    self.question.kept.keep_set(row.completion.index, set, near.jaccard);
                }
                _ => {}
            }
        }
    }

    /// What the check at this place has against a rationale.
    fn objection(&mut self, at: usize, row: &RationaleRow) -> Option<Reason> {
        let Self { answer, checks, question, scratch } = self;
        let (check, _) = &checks[at];
        let text = reasoning(answer, row);
        match check {
            Check::Plain(criterion) => plain_objection(criterion, answer, row, text, question, scratch),
            Check::Contamination(questions) => {
                let own = question.test.as_deref();
                let id = own.or_else(|| questions.quoted(scratch.words(text), &question.shared))?;
                Some(Reason::Contamination { test: id.to_owned() })
            }
            Check::Listed(ids) => {
                let is_listed = ids.contains(&row.example.id) || ids.contains(&row.id());
                (!is_listed).then_some(Reason::NotListed)
            }
        }
    }
}

/// The reasoning without its answer, by the completion's own marker or the contract's.
fn reasoning<'a>(answer: &Filter, row: &'a RationaleRow) -> &'a str {
    let text = row.completion.rationale.as_str();
    answer.marker_of(row).and_then(|marker| text.split_once(marker)).map_or(text, |(reasoning, _)| reasoning)
}

fn plain_objection(
    criterion: &Criterion,
    answer: &Filter,
    row: &RationaleRow,
    text: &str,
    question: &Question,
    scratch: &mut Scratch,
) -> Option<Reason> {
    let completion = &row.completion;
    match criterion {
        Criterion::Rationale => text_is_empty(&completion.rationale),
        Criterion::Answer => answer.objection(row, scratch.prediction(answer, row)),
        Criterion::AnswerGiven => scratch.prediction(answer, row).is_none().then_some(Reason::NoAnswer),
        Criterion::Marker => {
            let marker = answer.marker_of(row)?;
            (!completion.rationale.contains(marker)).then(|| Reason::NoMarker { marker: marker.trim().to_owned() })
        }
        Criterion::Truncated => truncation(row),
        Criterion::ContentFilter => {
            let finishes = [&completion.finish, &completion.answer_finish];
            let is_filter = |finish: &Finish| matches!(finish, Finish::Other(reason) if reason == "content_filter");
            finishes.into_iter().flatten().any(is_filter).then_some(Reason::ContentFilter)
        }
        Criterion::Length(limits) => length(limits, text),
        Criterion::Repetition => {
            scratch.words(text);
            repetition::sign(&scratch.words, &mut scratch.seen).map(|sign| Reason::Repetition { sign })
        }
        Criterion::ExactDuplicate => question.kept.same(text).map(|of| Reason::ExactDuplicate { of }),
        Criterion::NearDuplicate(near) => {
            let (of, similarity) = question.kept.similar(scratch.set(text), near.jaccard)?;
            Some(Reason::NearDuplicate { of, percent: (100.0 * similarity) as u32 })
        }
        Criterion::Arithmetic => {
            let wrong = scratch.arithmetic.first_wrong(text)?;
            let words: Vec<&str> = wrong.split_whitespace().collect();
            Some(Reason::WrongArithmetic { equation: words.join(" ") })
        }
        Criterion::Support => {
            let found = scratch.prediction(answer, row).map(|answer| answer.text().to_owned())?;
            let supported = support::is_supported(answer.kind_of(row), &found, text, &row.example.question);
            (!supported).then_some(Reason::Unsupported { answer: found })
        }
        Criterion::Language => other_language(text, &row.example.question),
        Criterion::Refusal => {
            scratch.lower.clear();
            scratch.lower.push_str(text);
            scratch.lower.make_ascii_lowercase();
            wording::refusal(&scratch.lower).map(|phrase| Reason::Refusal { phrase: phrase.trim().to_owned() })
        }
        Criterion::Echo => {
            let percent = wording::echoed_percent(scratch.words(text), &question.groups)?;
            (percent >= ECHO_PERCENT).then_some(Reason::Echo { percent })
        }
        // These two have to know something; see [`Check`].
        Criterion::Contamination(_) | Criterion::HandChecked(_) => None,
    }
}

/// A question in another script may be answered in it.
fn other_language(text: &str, question: &str) -> Option<Reason> {
    let percent = wording::foreign_percent(text).filter(|percent| *percent >= FOREIGN_PERCENT)?;
    let is_latin = wording::foreign_percent(question).is_none_or(|percent| percent < FOREIGN_PERCENT);
    is_latin.then_some(Reason::OtherLanguage { percent })
}

fn text_is_empty(text: &str) -> Option<Reason> {
    text.trim().is_empty().then_some(Reason::EmptyRationale)
}

/// A teacher that says why it stopped is believed; else the text must not break off in the middle of a sentence.
fn truncation(row: &RationaleRow) -> Option<Reason> {
    let sign = match &row.completion.finish {
        Some(Finish::Length) => "its token budget was spent".to_owned(),
        Some(_) => return None,
        None => format!("it ends with `{}`", wording::loose_end(&row.completion.rationale)?),
    };
    Some(Reason::Truncated { sign })
}

fn length(limits: &Length, text: &str) -> Option<Reason> {
    let measure = |least: Option<usize>, most: Option<usize>, unit: &str, count: &dyn Fn() -> usize| {
        let count = if least.or(most).is_some() { count() } else { return None };
        let length = format!("{count} {unit}");
        match () {
            () if least.is_some_and(|least| count < least) => Some(Reason::TooShort { length }),
            () if most.is_some_and(|most| count > most) => Some(Reason::TooLong { length }),
            () => None,
        }
    };
    measure(limits.least_words, limits.most_words, "words", &|| text.split_whitespace().count()).or_else(|| {
        let characters = || text.trim().chars().count();
        measure(limits.least_characters, limits.most_characters, "characters", &characters)
    })
}

impl Scratch {
    fn words(&mut self, text: &str) -> &[u64] {
        if !self.has_words {
            words::hash_into(text, &mut self.words);
            self.has_words = true;
        }
        &self.words
    }

    fn set(&mut self, text: &str) -> &[u64] {
        self.words(text);
        self.set.get_or_insert_with(|| duplicate::groups(&self.words))
    }

    fn prediction(&mut self, answer: &Filter, row: &RationaleRow) -> Option<&Answer> {
        if !self.has_prediction {
            self.prediction = answer.prediction(row);
            self.has_prediction = true;
        }
        self.prediction.as_ref()
    }
}
