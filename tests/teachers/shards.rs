//! Sixteen processes share one run's questions and one server; merged, their stores are the run of a single process.

use std::time::Duration;

use pupil_distill::rationale::Reader;

use crate::checks;
use crate::fault::{Cause, Fault, Wait, When};
use crate::server::{Conduct, Server};
use crate::teaching::{Running, Settings, Teaching};

const SHARDS: usize = 16;
/// As on a busy cluster.
const FAULTS: &[Fault] =
    &[Fault::Reset, Fault::Status { status: 503, code: "overloaded", wait: Wait::Unsaid }, Fault::NoLastChunk];

/// How a process learns which shard it is.
#[derive(Clone, Copy, Debug)]
enum Scheduler {
    Typed,
    Slurm,
    Kubernetes,
}

fn start(teaching: &Teaching, scheduler: Scheduler, shard: usize) -> Running {
    let (index, count, last) = (shard.to_string(), SHARDS.to_string(), (SHARDS - 1).to_string());
    match scheduler {
        Scheduler::Typed => teaching.start(&["--shard", &format!("{shard}/{SHARDS}")]),
        Scheduler::Slurm => teaching.start_with(
            &["--shard", "auto"],
            &[
                ("SLURM_ARRAY_TASK_ID", &index),
                ("SLURM_ARRAY_TASK_MIN", "0"),
                ("SLURM_ARRAY_TASK_MAX", &last),
                ("SLURM_ARRAY_TASK_COUNT", &count),
            ],
        ),
        Scheduler::Kubernetes => {
            teaching.start_with(&["--shard", &format!("auto/{SHARDS}")], &[("JOB_COMPLETION_INDEX", &index)])
        }
    }
}

#[test]
fn sixteen_processes_merged_equal_one() {
    let settings = Settings { prompting: "zero_shot_cot", concurrency: 4, ..Settings::default() };
    let good = Server::start(Conduct::good(), "");
    let whole = Teaching::new(settings.clone(), &good.url());
    assert_eq!(whole.teach(&[]).code, Some(0));
    let digest = |teaching: &Teaching| Reader::open(&teaching.store()).unwrap().digest().unwrap();
    for (scheduler, seed) in [(Scheduler::Typed, 0), (Scheduler::Slurm, 1), (Scheduler::Kubernetes, 2)] {
        let cause = Some(Cause::Replies { when: When::Attempts { first: 1, share: 0.1 }, faults: FAULTS });
        let server = Server::start(Conduct { cause, seed, latency: Duration::from_millis(5) }, "");
        let teaching = Teaching::new(settings.clone(), &server.url());
        let shards: Vec<Running> = (0..SHARDS).map(|shard| start(&teaching, scheduler, shard)).collect();
        for shard in shards {
            let finished = shard.end(Duration::from_mins(1));
            assert_eq!(finished.code, Some(0), "{scheduler:?}\n{}", finished.printed);
        }
        let merged = teaching.distill(&["merge", "experiment.toml"]).output().unwrap();
        let printed = String::from_utf8_lossy(&merged.stderr);
        assert!(merged.status.success() && !printed.contains("note:"), "{scheduler:?}\n{printed}");
        assert_eq!(digest(&teaching), digest(&whole), "{scheduler:?}");
        assert!(teaching.export() == whole.export(), "{scheduler:?}");
        checks::nothing_is_lost_or_doubled(&teaching, &settings);
        assert_eq!(checks::paid_twice(&server.log()), 0, "{scheduler:?}: two shards asked for the same");
    }
}
