//! `demo`: a micro student end to end, then the shipped student on one question of each task.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use pupil_distill::experiment::{Experiment, Plan};
use pupil_distill::pipeline::StageName;
use pupil_distill::teacher::program::{Exclusions, Items, ProgramTask, ProgramTeacher};
use pupil_models::durable;
use pupil_runtime::{Engine, Event, Request};

use crate::args::DemoArgs;
use crate::report;
use crate::run::run_plan;

const EXPERIMENT: &str = include_str!("../../../experiments/demo.toml");
/// The student that the repository ships.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/students/symbolic");
/// Questions that the micro student is tested on.
const TEST_QUESTIONS: usize = 100;
/// Seed of those questions; the experiment trains on others.
const TEST_SEED: u64 = 2;

const SHOWN: [&str; 3] = [
    "A coin is heads up. Marta flips the coin. Jonas does not flip the coin. Wei flips the coin. Tessa flips the coin. \
     Is the coin still heads up? Note that \"flip\" here means \"reverse\".",
    "Take the last letters of each words in \"Marta Jonas Wei Tessa\" and concatenate them.",
    "Alice, Bob, and Claire are playing a game. At the start of the game, they are each holding a ball: Alice has a red ball, \
     Bob has a green ball, and Claire has a white ball. \n\nAs the game progresses, pairs of players trade balls. First, Bob \
     and Alice swap balls. Then, Claire and Bob swap balls. Finally, Alice and Claire swap balls. At the end of the game, \
     Claire has the\nWhich choice is true? Answer choices: (A) red ball, (B) green ball, (C) white ball.",
];

pub(crate) fn demo(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    report::line("1. A micro student is taught from nothing: teach, filter, samples, train, export, eval.\n");
    distil(&args.runs)?;
    report::line("\n2. The shipped student solves one question of each task.");
    let mut engine = Engine::open(SHIPPED).with_context(|| format!("cannot open the shipped student `{SHIPPED}`"))?;
    for question in SHOWN {
        solve(&mut engine, question)?;
    }
    report::line(&format!(
        "\nWhat to try next:\n  \
         target/release/pupil solve \"{}\"\n  \
         target/release/pupil inspect models/students/symbolic\n  \
         target/release/pupil bench models/students/symbolic\n  \
         target/release/distill samples distill/experiments/recorded_coin_flip.toml --show\n  \
         target/release/distill run distill/experiments/recorded_coin_flip.toml   (needs ../shared/data)",
        SHOWN[1].replace('"', "\\\"")
    ));
    Ok(ExitCode::SUCCESS)
}

/// Writes the micro experiment's inputs and runs it.
fn distil(runs: &Path) -> anyhow::Result<()> {
    let inputs = runs.join("demo-inputs");
    write_inputs(&inputs).with_context(|| format!("cannot write the demo's inputs to `{}`", inputs.display()))?;
    let experiment: Experiment = toml::from_str(EXPERIMENT).context("the demo's experiment is not valid")?;
    let plan = Plan::new(&experiment, &inputs, runs)?;
    run_plan(&plan, StageName::Eval)
}

/// Test questions, and their fingerprints, so that the teacher avoids them.
fn write_inputs(folder: &PathBuf) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let task = ProgramTask::LastLetterConcatenation;
    let teacher = ProgramTeacher { task, seed: TEST_SEED, items: Items::exactly(2) };
    let taught = teacher.generate(TEST_QUESTIONS, &Exclusions::default())?;
    let mut rows = String::new();
    for (id, (example, _)) in taught.iter().enumerate() {
        let row = serde_json::json!({"id": id, "question": example.question, "answer": example.gold});
        writeln!(rows, "{row}")?;
    }
    durable::write(&folder.join(format!("{task}.jsonl")), rows.as_bytes())?;
    let exclusions = Exclusions::of_questions(taught.iter().map(|(example, _)| &example.question));
    exclusions.write(&folder.join("demo.exclude.txt"), "The demo's test questions")?;
    Ok(())
}

/// Prints the question, each step as it comes, and the answer.
fn solve(engine: &mut Engine, question: &str) -> anyhow::Result<()> {
    report::data(&format!("\nQ: {question}"))?;
    for event in engine.stream(question, &Request::default())? {
        match event? {
            Event::Step(step) => report::data(&format!("  {}. {}", step.index + 1, step.text))?,
            Event::Finished(solution) => {
                let answer = solution.answer.map_or_else(|| "none".to_owned(), |answer| answer.to_string());
                let elapsed = solution.timings.total.as_secs_f64() * 1e3;
                report::data(&format!("  = {answer}   ({:?}, {elapsed:.0} ms)", solution.outcome))?;
            }
            _ => {}
        }
    }
    Ok(())
}
