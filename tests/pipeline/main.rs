//! The pipeline: an experiment from question to bundle, through the library and as a program, stopped at any moment.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support_distill/micro.rs"]
mod micro;
#[path = "../support_distill/process.rs"]
mod process;
#[path = "../support_distill/students.rs"]
mod students;
#[path = "../support_distill/training.rs"]
mod training;

mod chain;
mod data;
mod forms;
mod loss;
mod resume;
mod samples;
mod signals;
mod weights;
