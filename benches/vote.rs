//! What a vote costs: N rationales side by side against one, on the bundle that `PUPIL_BUNDLE` names, else the shipped student.
//!
//! `cargo bench -p pupil-runtime --bench vote`. A round solves the question once for every seed, then holds a vote over the
//! same seeds; the cost is the time of the vote over the mean time of one. A vote that is decided early writes fewer tokens:
//! both counts are printed.

#![expect(clippy::unwrap_used, reason = "a benchmark without its inputs has nothing to measure")]
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pupil_runtime::{Ballot, Engine, Request};

const RATIONALES: [usize; 4] = [1, 4, 8, 16];
const ROUNDS: usize = 7;
const QUESTION: &str = "A coin is heads up. Ana flips the coin. Ben does not flip the coin. Cleo flips the coin. Dan does not \
                        flip the coin. Is the coin still heads up?";

fn request(seed: u64) -> Request {
    // A student of random weights comes to no answer and writes all of this.
    Request::builder().temperature(0.7).seed(seed).rationale_tokens(96).answer_tokens(8).build().unwrap()
}

/// Time and tokens.
fn timed(work: impl FnOnce() -> usize) -> (Duration, usize) {
    let started = Instant::now();
    let tokens = work();
    (started.elapsed(), tokens)
}

fn median(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}

fn main() {
    let bundle = std::env::var_os("PUPIL_BUNDLE")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/students/symbolic"), PathBuf::from);
    let mut engine = Engine::open(&bundle).unwrap();
    println!("{} threads, {} instructions", engine.execution().threads, engine.execution().instruction_set);
    println!("rationales  vote over one [least, most of {ROUNDS}]  tokens alone  in the vote  cache MB");
    for rationales in RATIONALES {
        let count = NonZeroUsize::new(rationales).unwrap();
        let ballot = Ballot { rows: Some(count), ..Ballot::new(count) };
        let mut ratios = Vec::new();
        let (mut alone_tokens, mut vote_tokens, mut cache_bytes) = (0, 0, 0);
        for round in 0..=ROUNDS {
            let (alone, tokens) = timed(|| {
                let one = |seed| engine.solve(QUESTION, &request(seed)).unwrap().usage.completion_tokens;
                (0..rationales as u64).map(one).sum()
            });
            alone_tokens = tokens;
            let (voted, tokens) = timed(|| {
                let vote = engine.vote(QUESTION, &request(0), &ballot).unwrap();
                cache_bytes = vote.cache_bytes;
                vote.solutions.iter().map(|solution| solution.usage.completion_tokens).sum()
            });
            vote_tokens = tokens;
            // The first round warms up.
            if round > 0 {
                ratios.push(voted.as_secs_f64() / (alone.as_secs_f64() / rationales as f64));
            }
        }
        let [least, middle, most] = median(ratios);
        println!(
            "{rationales:>10}  {middle:>6.2} [{least:.2}, {most:.2}]  {alone_tokens:>12}  {vote_tokens:>11}  {:>8.1}",
            cache_bytes as f64 / 1e6
        );
    }
}
