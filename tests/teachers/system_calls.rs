//! Kill -9 at every system call of a small run that changes something: files, the store, the network.

use std::collections::{BTreeSet, HashMap};
use std::process::Command;
use std::time::Duration;

use crate::checks;
use crate::count;
use crate::server::{Conduct, Server};
use crate::teaching::{Settings, Teaching};

/// Calls that change something whatever their arguments are.
const CHANGING: &str = "write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync,ftruncate,fallocate,rename,renameat,\
                        renameat2,unlink,unlinkat,mkdir,mkdirat,link,linkat,flock,connect";
/// The call that changes something if it makes or empties a file.
const OPENING: &str = "openat";
/// Points of a quick run.
const QUICK_POINTS: u64 = 12;

/// The `nth` call of this name in a thread, counted from 1.
type Point = (String, usize);

fn settings() -> Settings {
    Settings { questions: 6, prompting: "zero_shot_cot", concurrency: 2, ..Settings::default() }
}

fn traced(teaching: &Teaching, options: &[&str]) -> Command {
    let plain = teaching.distill(&["teach", "experiment.toml"]);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq"]).args(options).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(teaching.path(""));
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
}

/// The points of a run that nobody kills, and what it exports.
fn points() -> (Vec<Point>, String) {
    let server = Server::start(Conduct::good(), "");
    let teaching = Teaching::new(settings(), &server.url());
    let trace = teaching.path("trace.txt");
    let output = traced(&teaching, &["-e", &format!("trace={CHANGING},{OPENING}"), "-o", trace.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut counts = HashMap::new();
    let mut points = BTreeSet::new();
    for line in std::fs::read_to_string(&trace).unwrap().lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, arguments)) = call.trim_start().split_once('(') else { continue };
        if name.starts_with('<') {
            continue;
        }
        let count: &mut usize = counts.entry((thread.to_owned(), name.to_owned())).or_default();
        *count += 1;
        if name != OPENING || arguments.contains("O_CREAT") || arguments.contains("O_TRUNC") {
            points.insert((name.to_owned(), *count));
        }
    }
    (points.into_iter().collect(), teaching.export())
}

/// Kills a run at the point, then lets it finish; whether the point was reached.
fn kill_at((name, nth): &Point, expected: &str) -> bool {
    let server = Server::start(Conduct { latency: Duration::from_millis(1), ..Conduct::good() }, "");
    let settings = settings();
    let teaching = Teaching::new(settings.clone(), &server.url());
    let injection = format!("inject={name}:signal=KILL:when={nth}");
    let output =
        traced(&teaching, &["-o", "/dev/null", "-e", &format!("trace={name}"), "-e", &injection]).output().unwrap();
    let is_killed = !output.status.success();
    let finished = teaching.teach(&[]);
    assert_eq!(finished.code, Some(0), "killed at {name} {nth}\n{}", finished.printed);
    checks::nothing_is_lost_or_doubled(&teaching, &settings);
    assert!(teaching.export() == expected, "killed at {name} {nth}: the data differ");
    let again = checks::paid_twice(&server.log());
    assert!(again <= settings.concurrency, "killed at {name} {nth}: {again} completions were paid twice");
    is_killed
}

#[test]
fn a_run_that_is_killed_at_any_system_call_goes_on_to_the_same_data() {
    if Command::new("strace").arg("--version").output().is_err() {
        println!("passed over: no strace");
        return;
    }
    let (points, expected) = points();
    let most = count("PUPIL_FAULT_POINTS", QUICK_POINTS) as usize;
    let stride = points.len().div_ceil(most).max(1);
    let reached = points.iter().step_by(stride).filter(|point| kill_at(point, &expected)).count();
    println!("{} points, {} tried, {reached} reached", points.len(), points.len().div_ceil(stride));
    assert!(reached > 0, "no point was reached");
}
