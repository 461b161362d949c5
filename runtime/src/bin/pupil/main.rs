//! `pupil`: answers questions with a student bundle. Syntax in [`args`], values in [`plan`], work in the library.

mod args;
mod bench;
mod doctor;
mod inspect;
mod output;
mod plan;
mod solve;
mod tune;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Solve(arguments) => solve::run(&arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Tune(arguments) => tune::run(&arguments),
        Command::Probe(arguments) => bench::probe(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
    };
    done.unwrap_or_else(|error| output::failure(&error))
}
