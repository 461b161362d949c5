//! The job files for clusters, with the environment that a scheduler would set.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::ended;
use crate::experiment::{Tiny, digest};

fn job_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster").join(name)
}

/// Waits for all parts, merges them, and compares with the unsharded run.
fn merged_is_whole(tiny: &Tiny, parts: Vec<Child>) {
    for part in parts {
        ended(&part.wait_with_output().unwrap(), 0);
    }
    let printed = ended(&tiny.distill(&["merge", "tiny.toml"]).output().unwrap(), 0);
    assert!(!printed.contains("note:"), "{printed}");
    assert_eq!(digest(&tiny.store()), digest(&Tiny::taught().store()));
}

#[test]
fn the_slurm_script_teaches_every_part() {
    let tiny = Tiny::new();
    let (script, tasks) = (job_file("slurm.sh"), 4);
    let text = std::fs::read_to_string(&script).unwrap();
    assert!(text.contains("#SBATCH --array=0-15\n") && text.contains("PARTS=${PARTS:-16}\n"), "as many tasks as parts");
    let start = |task: usize| {
        Command::new("bash")
            .arg(&script)
            .current_dir(tiny.path(""))
            .envs([("EXPERIMENT", "tiny.toml"), ("DISTILL", env!("CARGO_BIN_EXE_distill"))])
            .envs([("SLURM_ARRAY_TASK_ID", task.to_string()), ("PARTS", tasks.to_string())])
            .env_remove("SERVER")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    merged_is_whole(&tiny, (0..tasks).map(start).collect());
    let output = Command::new("bash").arg(&script).env_remove("EXPERIMENT").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("EXPERIMENT: the experiment file"));
}

#[test]
fn the_pods_of_the_kubernetes_job_teach_every_part() {
    let tiny = Tiny::new();
    let text = std::fs::read_to_string(job_file("kubernetes.yaml")).unwrap();
    let command = |verb: &str| -> Vec<String> {
        let start = format!("command: [distill, {verb}, ");
        let (_, rest) = text.split_once(&start).unwrap();
        let (arguments, _) = rest.split_once(']').unwrap();
        let arguments = arguments.replace("experiment.toml", "tiny.toml");
        std::iter::once(verb.to_owned()).chain(arguments.split(", ").map(str::to_owned)).collect()
    };
    assert!(text.contains("completions: 16\n") && text.contains("parallelism: 16\n"));
    assert_eq!(command("teach")[1..], ["tiny.toml", "--shard", "auto/16"]);
    assert_eq!(command("merge")[1..], ["tiny.toml"]);
    let arguments = command("teach");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let start = |index: usize| {
        let mut pod = tiny.distill(&arguments);
        pod.env("JOB_COMPLETION_INDEX", index.to_string()).stderr(Stdio::piped()).spawn().unwrap()
    };
    merged_is_whole(&tiny, (0..16).map(start).collect());
}
