//! `[self_training]`: a student that teaches the next round of itself, on the questions that it can solve.
//!
//! STaR (Zelikman, Wu, Mu and Goodman, "STaR: Bootstrapping Reasoning With Reasoning", 2022, arXiv 2203.14465): the student
//! answers questions whose answers are known; the rationales that lead to a right answer become training data, and the
//! *initial* student, not the one that answered, is trained on them. Here every round trains on the union of the
//! experiment's own sources and what the student of the round before wrote. STaR's second half, rationales for unsolved
//! questions with the answer given as a hint, is not part of it: a student of ours knows one prompt alone.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Experiment, ExperimentError, Method, Source, require};
use crate::dataset::SplitReference;
use crate::teacher::Degree;
use crate::teacher::bundle::{BundleSource, Sampling};
use crate::teacher::openai::Questions;

/// Most rounds that an experiment may have.
const MOST_ROUNDS: u32 = 100;

/// Rounds in which the student of the round before teaches.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTraining {
    /// Rounds after round 0, which is the experiment as it stands.
    pub rounds: u32,
    /// Questions that the student answers, with their answers.
    pub data: PathBuf,
    /// Which of them; all if absent.
    #[serde(default)]
    pub split: Option<SplitReference>,
    /// Completions per question.
    #[serde(default)]
    pub degree: Degree,
    /// How the student samples. Round `r` adds `r` times 2^32 to the seed, so that no two rounds draw the same.
    #[serde(default)]
    pub sampling: Sampling,
    /// How many engines answer side by side; one per core if absent.
    #[serde(default)]
    pub workers: Option<NonZeroUsize>,
}

/// The experiments of all rounds in order, round 0 first; the experiment alone if it has no `[self_training]`.
///
/// Round `r` is named `<name>-round-<r>`. It has the experiment's own student and sources, and from round 1 on one source more:
/// the bundle of the round before, which will lie below the folder `runs`.
///
/// # Errors
/// [`ExperimentError::Value`] names the value that makes no sense.
pub fn rounds(experiment: &Experiment, runs: &Path) -> Result<Vec<Experiment>, ExperimentError> {
    let Some(settings) = &experiment.self_training else { return Ok(vec![experiment.clone()]) };
    settings.check(experiment)?;
    // Other paths of the experiment are relative to its file, this one to where the program was started.
    let runs = std::path::absolute(runs).unwrap_or_else(|_| runs.to_owned());
    let round = |number: u32| {
        let mut round = Experiment { self_training: None, name: name(experiment, number), ..experiment.clone() };
        if let Some(before) = number.checked_sub(1) {
            let bundle = runs.join(name(experiment, before)).join("bundle");
            round.source.push(Source::Bundle(Box::new(settings.source(number, bundle))));
        }
        round
    };
    Ok((0..=settings.rounds).map(round).collect())
}

fn name(experiment: &Experiment, round: u32) -> String {
    format!("{}-round-{round}", experiment.name)
}

impl SelfTraining {
    fn check(&self, experiment: &Experiment) -> Result<(), ExperimentError> {
        let key = |part: &str| format!("self_training.{part}");
        let expected = format!("a number from 1 to {MOST_ROUNDS}");
        require(&key("rounds"), (1..=MOST_ROUNDS).contains(&self.rounds), &expected, self.rounds)?;
        let reasons = experiment.method == Method::FineTuneCot;
        require("self_training", reasons, "a student that learns to reason", "`method = \"fine_tune\"`")?;
        self.source(1, PathBuf::new()).check().map_err(|found| ExperimentError::Value {
            key: "self_training".to_owned(),
            expected: "settings of a bundle that teaches".to_owned(),
            found,
        })
    }

    /// The source that round `round` has more than the experiment.
    fn source(&self, round: u32, bundle: PathBuf) -> BundleSource {
        let seed = self.sampling.seed.wrapping_add(u64::from(round) << 32);
        BundleSource {
            questions: Questions { data: self.data.clone(), split: self.split.clone(), degree: self.degree },
            bundle,
            sampling: Sampling { seed, ..self.sampling.clone() },
            workers: self.workers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SELF_TRAINING: &str = r#"
name = "star"
source = [{ teacher = "program", task = "coin_flip", questions = 10 }]
contract = { prompt = "Q: {question}\nA:", answer_marker = "\n-> ", step_rule = "line", answer = { kind = "yes_no" }, grader = "robust", budgets = { rationale_tokens = 9, answer_tokens = 3 } }
tokenizer = { merges = 300 }
student = { hidden_size = 32, intermediate_size = 64, layers = 1, heads = 2, context_tokens = 64 }
train = { steps = 1 }
self_training = { rounds = 2, data = "coin_flip.jsonl", degree = 3, sampling = { temperature = 0.7, seed = 5 } }
"#;

    fn derived(text: &str) -> Result<Vec<Experiment>, String> {
        let experiment: Experiment = toml::from_str(text).map_err(|error| error.to_string())?;
        rounds(&experiment, Path::new("/runs")).map_err(|error| error.to_string())
    }

    #[test]
    fn each_round_is_the_experiment_with_the_bundle_of_the_round_before() {
        let rounds = derived(SELF_TRAINING).unwrap();
        let names: Vec<&str> = rounds.iter().map(|round| round.name.as_str()).collect();
        assert_eq!(names, ["star-round-0", "star-round-1", "star-round-2"]);
        assert_eq!(rounds[0].source.len(), 1);
        for (round, before) in [(1, "/runs/star-round-0/bundle"), (2, "/runs/star-round-1/bundle")] {
            let [Source::Program { .. }, Source::Bundle(source)] = rounds[round].source.as_slice() else {
                panic!("{:?}", rounds[round].source)
            };
            assert_eq!(source.bundle, Path::new(before));
            assert_eq!(source.sampling.seed, 5 + ((round as u64) << 32));
            assert_eq!(source.questions.degree.most(), 3);
        }
        // A round is an ordinary experiment: nothing is derived from it again, and a plan can be made of it.
        for round in &rounds {
            assert!(round.self_training.is_none());
            let plan = crate::experiment::Plan::new(round, Path::new("base"), Path::new("/runs")).unwrap();
            assert_eq!(plan.folder, Path::new("/runs").join(&round.name));
        }
    }

    #[test]
    fn an_experiment_without_rounds_is_its_own_only_one() {
        let text: String = SELF_TRAINING
            .lines()
            .filter(|line| !line.starts_with("self_training"))
            .fold(String::new(), |text, line| text + line + "\n");
        let rounds = derived(&text).unwrap();
        assert_eq!(rounds.len(), 1);
        assert_eq!(rounds[0].name, "star");
    }

    #[test]
    fn values_that_make_no_sense_are_named() {
        for (from, to, named) in [
            ("rounds = 2", "rounds = 0", "`self_training.rounds`: expected a number from 1"),
            ("rounds = 2", "round = 2", "round"),
            ("temperature = 0.7, ", "", "`degree` 1 at temperature 0"),
            ("temperature = 0.7", "temperature = -0.7", "`temperature` from 0"),
            ("name = \"star\"", "name = \"star\"\nmethod = \"fine_tune\"", "learns to reason"),
        ] {
            let error = derived(&SELF_TRAINING.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(named), "`{from}` → `{to}`: {error}");
        }
    }
}
