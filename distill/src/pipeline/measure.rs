//! A run that trains nothing: a student that is there already is asked by a prompting method.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use pupil_models::answer::{AnswerKind, Grader, task};
use pupil_models::bundle::{Bundle, CONFIG, MANIFEST, TOKENIZER, WEIGHTS};
use pupil_models::contract::{Budgets, CONTRACT_VERSION, ReasoningContract, StepRule};
use pupil_runtime::{Engine, EngineOptions};

use super::stage::{Inputs, Stage, Standing};
use super::student::{counts, examples};
use super::{PipelineError, Report, StageName, lock};
use crate::checkpoint::Checkpoint;
use crate::dataset::Example;
use crate::eval::harness::Subject;
use crate::eval::{EvalError, Evaluated, baseline, files, prompted};
use crate::experiment::{EvalPlan, MeasuredStudentPlan, MeasurementPlan};
use crate::export::{ExportPlan, export};
use crate::interrupt::Interrupt;

/// Questions on which the parity of a checkpoint is proved.
const PARITY_PROMPTS: usize = 200;

/// Measures the plan's student in the plan's folder; what is done already is passed over.
///
/// # Errors
/// As for a [`super::Run`]. What was done before the error stays.
pub fn measure(
    plan: &MeasurementPlan,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(Report),
) -> Result<(), PipelineError> {
    let _lock = lock(&plan.folder)?;
    let mut measuring = Measuring { plan, interrupt, watch };
    let bundle = measuring.student()?;
    for eval in &plan.evals {
        if eval.optional && !eval.data.exists() {
            let note = format!("evaluation `{}` is passed over: `{}` is not there", eval.name, eval.data.display());
            (measuring.watch)(Report::Note(note));
            continue;
        }
        measuring.eval(eval, bundle.as_deref())?;
    }
    Ok(())
}

/// The bundle of the plan's student, if it has one; a checkpoint is exported into the plan's folder first.
///
/// # Errors
/// The export fails, as it does without libtorch, which proves its parity.
pub(super) fn student(
    plan: &MeasurementPlan,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(Report),
) -> Result<Option<PathBuf>, PipelineError> {
    let _lock = lock(&plan.folder)?;
    Measuring { plan, interrupt, watch }.student()
}

struct Measuring<'a> {
    plan: &'a MeasurementPlan,
    interrupt: &'a Interrupt,
    watch: &'a mut dyn FnMut(Report),
}

impl Measuring<'_> {
    /// The bundle to ask, if anybody is asked.
    fn student(&mut self) -> Result<Option<PathBuf>, PipelineError> {
        match &self.plan.student {
            None => Ok(None),
            Some(MeasuredStudentPlan::Bundle(bundle)) => Ok(Some(bundle.clone())),
            Some(MeasuredStudentPlan::Checkpoint { folder, contract }) => {
                let first = self.plan.evals.iter().find(|eval| !eval.optional || eval.data.exists());
                let questions = first.map_or_else(|| Ok(Vec::new()), examples)?;
                self.export(folder, contract.as_deref(), &questions).map(Some)
            }
        }
    }

    fn eval(&mut self, eval: &EvalPlan, bundle: Option<&Path>) -> Result<(), PipelineError> {
        let examples = examples(eval)?;
        let mut inputs = Inputs::default();
        inputs.settings("method", &self.plan.method);
        inputs.settings("grader", &self.plan.prompting.grader);
        inputs.settings("completion_tokens", &self.plan.prompting.completion_tokens);
        inputs.file("data", &eval.data)?;
        if let Some(split) = &eval.split {
            inputs.file("split", &split.path)?;
            inputs.settings("split_name", &split.name);
        }
        if let Some(bundle) = bundle {
            inputs.file("bundle", &bundle.join(MANIFEST))?;
        }
        if let Some(exemplars) = &self.plan.exemplars {
            inputs.file("exemplars", exemplars)?;
        }
        self.once(StageName::Eval, &format!("eval-{}", eval.name), inputs, |measuring| {
            measuring.ask(eval, bundle, &examples)
        })
    }

    fn ask(
        &mut self,
        eval: &EvalPlan,
        bundle: Option<&Path>,
        examples: &[Example],
    ) -> Result<Vec<(&'static str, f64)>, PipelineError> {
        let (evaluated, subject) = self.evaluated(bundle, examples)?;
        let folder = &self.plan.folder;
        files::write(folder, &eval.name, &eval.subject(subject), examples, &evaluated)
            .map_err(|source| PipelineError::File { path: folder.clone(), source })?;
        let (report, _) = evaluated;
        (self.watch)(Report::Evaluated { name: eval.name.clone(), report: report.clone() });
        Ok(counts(&report))
    }

    fn evaluated(&self, bundle: Option<&Path>, examples: &[Example]) -> Result<(Evaluated, Subject), PipelineError> {
        let (method, prompting) = (self.plan.method, &self.plan.prompting);
        let Some(bundle) = bundle else {
            let report = baseline::random(examples, AnswerKind::Text, prompting.grader)?;
            return Ok(((report, Vec::new()), Subject { model: "none".to_owned(), ..Subject::default() }));
        };
        let name = bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut engine = Engine::open_with(&Bundle::open(bundle)?, &EngineOptions::default())?;
        let task = examples.first().map_or("", |example| example.task.as_str());
        let subject = Subject::prompted(method, prompting, task, engine.contract());
        let evaluated = prompted::measure(&mut engine, method, prompting, examples, self.interrupt)?;
        Ok((evaluated, Subject { model: name, ..subject }))
    }

    /// The bundle of a checkpoint, exported into the run's folder with its parity proved on the questions of the test.
    fn export(
        &mut self,
        checkpoint: &Path,
        contract: Option<&ReasoningContract>,
        examples: &[Example],
    ) -> Result<PathBuf, PipelineError> {
        let target = self.plan.folder.join("bundle");
        let contract = contract.map_or_else(|| untaught(examples), ReasoningContract::clone);
        let mut inputs = Inputs::default();
        for name in [CONFIG, TOKENIZER] {
            inputs.file(name, &checkpoint.join(name))?;
        }
        inputs.digest(WEIGHTS, Checkpoint::open(checkpoint)?.weights().digest()?);
        inputs.settings("contract", &contract);
        self.once(StageName::Export, StageName::Export.as_str(), inputs, |measuring| {
            let questions = examples.iter().take(PARITY_PROMPTS).map(|example| example.question.clone());
            let plan = ExportPlan {
                checkpoint,
                contract: &contract,
                name: &checkpoint.file_name().unwrap_or_default().to_string_lossy(),
                questions: &questions.collect::<Vec<_>>(),
                quantised: None,
                threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
                force: false,
                target: &target,
            };
            export(&plan, measuring.interrupt)?;
            Ok(Vec::new())
        })?;
        Ok(target)
    }

    /// As [`super::Run`] does a stage: unless its record says that it is done.
    fn once(
        &mut self,
        name: StageName,
        record: &str,
        inputs: Inputs,
        work: impl FnOnce(&mut Self) -> Result<Vec<(&'static str, f64)>, PipelineError>,
    ) -> Result<(), PipelineError> {
        let stage = Stage::new(&self.plan.folder, record, inputs);
        if let Standing::Done(record) = stage.standing()? {
            (self.watch)(Report::Finished { stage: name, record, earlier: true });
            return Ok(());
        }
        let counts = work(self)?;
        let record = stage.finish(&counts)?;
        (self.watch)(Report::Finished { stage: name, record, earlier: false });
        Ok(())
    }
}

/// The contract of a student that nobody taught: the question, then the answer.
fn untaught(examples: &[Example]) -> ReasoningContract {
    let tokens = prompted::PUBLISHED_COMPLETION_TOKENS;
    let kind = examples.first().and_then(|example| task(&example.task)).map_or(AnswerKind::Text, |task| task.kind);
    ReasoningContract {
        version: CONTRACT_VERSION,
        prompt: crate::teacher::prompting::zero_shot("{question}"),
        answer_marker: None,
        step_rule: StepRule::Sentence,
        answer: kind,
        grader: Grader::Published,
        budgets: Budgets { rationale_tokens: tokens, answer_tokens: tokens },
        stops: Vec::new(),
    }
}

impl PipelineError {
    /// Whether a student cannot be asked by a method at all, while other methods may work.
    #[must_use]
    pub fn is_about_the_method(&self) -> bool {
        matches!(self, Self::Eval(error) if EvalError::is_about_the_method(error))
    }
}
