//! The `openai` teacher against a server that breaks everything that can break, as processes of `distill`.
//!
//! The `batch` teacher against the same model, by files.
//!
//! `PUPIL_FAULT_SEEDS`, `PUPIL_FAULT_KILLS` and `PUPIL_FAULT_POINTS` raise the counts of seeds, of killed runs and of killed
//! system calls above those of a quick run.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

#[path = "../support_teachers/answers.rs"]
mod answers;
#[path = "../support_teachers/bomb.rs"]
mod bomb;
#[path = "../support_teachers/catalogue.rs"]
mod catalogue;
#[path = "../support_teachers/fault.rs"]
mod fault;
#[path = "../support_teachers/http.rs"]
mod http;
#[path = "../support_teachers/injection.rs"]
mod injection;
#[path = "../support_teachers/log.rs"]
mod log;
#[path = "../support_teachers/reply.rs"]
mod reply;
#[path = "../support_teachers/server.rs"]
mod server;
#[path = "../support_teachers/teaching.rs"]
mod teaching;

mod batches;
mod catalogue_runs;
mod checks;
mod kills;
mod memory;
mod patience;
mod server_itself;
mod shards;
mod system_calls;

/// A count from the environment, or the one of a quick run.
fn count(name: &str, quick: u64) -> u64 {
    std::env::var(name).map_or(quick, |text| text.parse().unwrap())
}
