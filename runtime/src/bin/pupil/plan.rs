//! From the command line to validated values: which bundle, which questions, which request.

use std::env;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use pupil_models::bundle::MANIFEST;
use pupil_runtime::{Ballot, CancelToken, EngineOptions, RationaleExhausted, Request, Weighting};

use crate::args::{EngineArguments, Solve, Switch, VoteWeights};

/// Environment variable that names the default bundle.
pub(crate) const BUNDLE_VARIABLE: &str = "PUPIL_BUNDLE";
/// The published temperature of diverse rationales, which differ and are still sound.
const VOTE_TEMPERATURE: f32 = 0.7;
/// The shipped student, where the workspace has it.
const WORKSPACE_STUDENT: &str = env!("PUPIL_STUDENT");

/// A command that cannot be carried out as given, and what to do instead.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct PlanError {
    problem: String,
    hint: String,
}

impl PlanError {
    pub(crate) fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { problem: problem.into(), hint: hint.into() }
    }

    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }
}

/// The questions of `pupil solve`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SolvePlan {
    pub(crate) bundle: PathBuf,
    pub(crate) questions: Vec<String>,
}

impl SolvePlan {
    pub(crate) fn new(arguments: &Solve) -> anyhow::Result<Self> {
        if let Some(file) = &arguments.questions {
            let bundle = arguments.first.as_ref().map(PathBuf::from);
            return Ok(Self { bundle: bundle_or_default(bundle)?, questions: lines(file)? });
        }
        let (bundle, question) = match (&arguments.first, &arguments.second) {
            (Some(bundle), Some(question)) => (Some(PathBuf::from(bundle)), question.clone()),
            (Some(folder), None) if Path::new(folder).join(MANIFEST).is_file() => {
                let problem = format!("no question: `{folder}` is a bundle, expected a question after it, found none");
                return Err(PlanError::new(problem, format!("pupil solve {folder} \"your question\"")).into());
            }
            (Some(question), None) => (None, question.clone()),
            (None, _) if io::stdin().is_terminal() => {
                let hint = "pupil solve \"your question\", or `-` to read it from the standard input";
                return Err(PlanError::new("no question: expected one, found none", hint).into());
            }
            (None, _) => (None, "-".to_owned()),
        };
        let question = if question == "-" { standard_input()? } else { question };
        if question.trim().is_empty() {
            return Err(PlanError::new("question is empty: expected some text", "pupil solve \"your question\"").into());
        }
        Ok(Self { bundle: bundle_or_default(bundle)?, questions: vec![question] })
    }
}

/// The request that the options of `pupil solve` ask for.
pub(crate) fn request(arguments: &Solve, cancel: CancelToken) -> anyhow::Result<Request> {
    let mut builder = Request::builder().cancel_token(cancel);
    let voted = arguments.votes.map(|_| VOTE_TEMPERATURE);
    if let Some(temperature) = arguments.temperature.or(voted) {
        builder = builder.temperature(temperature);
    }
    if let Some(top_k) = arguments.top_k {
        builder = builder.top_k(top_k);
    }
    if let Some(top_p) = arguments.top_p {
        builder = builder.top_p(top_p);
    }
    if let Some(seed) = arguments.seed {
        builder = builder.seed(seed);
    }
    if let Some(tokens) = arguments.rationale_tokens {
        builder = builder.rationale_tokens(tokens);
    }
    if let Some(tokens) = arguments.answer_tokens {
        builder = builder.answer_tokens(tokens);
    }
    if arguments.no_force {
        builder = builder.on_rationale_exhausted(RationaleExhausted::Truncate);
    }
    if let Some(seconds) = arguments.time_limit {
        let limit = Duration::try_from_secs_f64(seconds)
            .with_context(|| format!("`--time-limit`: expected seconds from 0, found {seconds}"))?;
        builder = builder.time_limit(limit);
    }
    Ok(builder.build()?)
}

/// The vote that the options of `pupil solve` ask for.
pub(crate) fn ballot(arguments: &Solve) -> Option<Ballot> {
    let weighting = match arguments.weights {
        VoteWeights::Majority => Weighting::Majority,
        VoteWeights::Confidence => Weighting::Confidence,
    };
    let (certainty, rows) = (arguments.certainty, arguments.rows);
    arguments.votes.map(|rationales| Ballot { rationales, weighting, certainty, rows })
}

/// The options of the engine.
pub(crate) fn engine_options(arguments: &EngineArguments) -> EngineOptions {
    let on = |switch: Switch| switch == Switch::On;
    EngineOptions {
        device: arguments.device,
        threads: arguments.threads,
        spinning: arguments.spinning.map(on),
        affinity: arguments.affinity.map(on),
        prepacking: arguments.prepacking.map(on),
        cache: arguments.cache,
        untuned: arguments.untuned,
        instruction_set: arguments.instructions,
    }
}

/// The given bundle, else the default one.
pub(crate) fn bundle_or_default(bundle: Option<PathBuf>) -> Result<PathBuf, PlanError> {
    bundle.or_else(|| default_bundle().map(|(path, _)| path)).ok_or_else(|| {
        let problem =
            format!("no bundle: expected one on the command line, in `{BUNDLE_VARIABLE}` or installed, found none");
        PlanError::new(problem, "name a bundle's folder, as written by `distill export`")
    })
}

/// The default bundle and what led to it: the environment, the installation, or the workspace.
pub(crate) fn default_bundle() -> Option<(PathBuf, &'static str)> {
    if let Some(path) = env::var_os(BUNDLE_VARIABLE).filter(|path| !path.is_empty()) {
        return Some((PathBuf::from(path), BUNDLE_VARIABLE));
    }
    let executable = env::current_exe().ok();
    let installed =
        executable.as_deref().and_then(Path::parent).map(|folder| folder.join("../share/pupil/students/symbolic"));
    let candidates = [(installed, "executable"), (Some(PathBuf::from(WORKSPACE_STUDENT)), "workspace")];
    candidates.into_iter().filter_map(|(path, by)| Some((path?, by))).find(|(path, _)| path.join(MANIFEST).is_file())
}

fn lines(file: &Path) -> anyhow::Result<Vec<String>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read the questions `{}`", file.display()))?;
    let questions: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    if questions.is_empty() {
        let problem = format!("no question in `{}`: expected one a line, found none", file.display());
        return Err(PlanError::new(problem, "write one question a line").into());
    }
    Ok(questions)
}

fn standard_input() -> anyhow::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).context("cannot read the question from the standard input")?;
    Ok(text)
}
