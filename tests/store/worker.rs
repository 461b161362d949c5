//! This test binary as another process that works on a store: started with an environment that says what to do.

use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use pupil_distill::dataset::Example;
use pupil_distill::rationale::{Accounting, ExampleKey, Record, SourceRecord, State, Store};
use pupil_distill::teacher::{Completion, Finish};

const TASK: &str = "PUPIL_STORE_WORK";
const STORE: &str = "PUPIL_STORE_PATH";

/// Examples that the worker asks about, and completions of each.
pub(crate) const EXAMPLES: u64 = 12;
pub(crate) const DEGREE: u32 = 5;

/// The worker that does `task` on a store; `task` is `teach` or `hold`.
pub(crate) fn worker(task: &str, store: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["worker::work", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(TASK, task).env(STORE, store).env("RUST_BACKTRACE", "0");
    command
}

/// Where the worker notes what the store has acknowledged.
pub(crate) fn acknowledged(store: &Path) -> PathBuf {
    store.with_extension("acknowledged")
}

/// What the worker writes: two steps, as a teacher that is asked twice.
pub(crate) fn record(position: u64, index: u32, state: State) -> Record {
    let text = format!("Step {position}, for the {index}th time. ").repeat(40);
    Record {
        example: ExampleKey::new(0, position),
        completion: Completion {
            index,
            prompt: Some(format!("Q: {position}?")),
            rationale: text,
            prediction: (state == State::Done).then(|| " yes".to_owned()),
            finish: Some(Finish::Stop),
            ..Completion::default()
        },
        state,
        failure: None,
        accounting: Accounting { prompt_tokens: Some(7), ..Accounting::default() },
    }
}

pub(crate) fn open(path: &Path) -> Store {
    let mut store = Store::open(path).unwrap();
    let source = SourceRecord { number: 0, teacher: "worker".to_owned(), settings: "{}".to_owned() };
    let example = |position: u64| (position, Example::new("made_up", &position.to_string(), "Why?", "yes"));
    store.register(&source, &(0..EXAMPLES).map(example).collect::<Vec<_>>()).unwrap();
    store
}

/// Asks for what is missing, as a live teacher does: every reply is stored, then acknowledged.
pub(crate) fn teach(path: &Path) {
    let mut store = open(path);
    let mut acknowledged = OpenOptions::new().create(true).append(true).open(acknowledged(path)).unwrap();
    for position in 0..EXAMPLES {
        let states = store.states(ExampleKey::new(0, position)).unwrap();
        for index in 0..DEGREE {
            let state = states.iter().find(|(known, _)| *known == index).map(|(_, state)| *state);
            if state == Some(State::Done) {
                continue;
            }
            if state.is_none() {
                store.put(&[record(position, index, State::Partial)]).unwrap();
            }
            store.put(&[record(position, index, State::Done)]).unwrap();
            acknowledged.write_all(format!("{position} {index}\n").as_bytes()).unwrap();
        }
    }
}

#[test]
#[ignore = "the body of another process"]
fn work() {
    let (Ok(task), Ok(path)) = (std::env::var(TASK), std::env::var(STORE)) else { return };
    if task == "teach" {
        teach(Path::new(&path));
    } else {
        let started = Instant::now();
        match Store::open(Path::new(&path)) {
            Ok(_store) => {
                println!("\nruns");
                std::io::stdin().lock().read_line(&mut String::new()).unwrap();
            }
            Err(error) => println!("\n{} {} {error}", error.code(), started.elapsed().as_millis()),
        }
    }
}
