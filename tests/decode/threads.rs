//! Engines that one process opens at the same time.

use std::process::Command;
use std::sync::Barrier;

use pupil_runtime::Engine;

use crate::support::fixture;

/// Set in a process that has not opened any engine yet.
const IS_CHILD: &str = "PUPIL_TEST_OPENS_ENGINES";
const ENGINES: usize = 8;
/// Only the first engines of a process can be in each other's way.
const PROCESSES: usize = 20;

fn open_all() {
    let Some(folder) = fixture() else { return };
    let barrier = Barrier::new(ENGINES);
    let open = || {
        barrier.wait();
        Engine::open(&folder).map(|_| ()).map_err(|error| error.to_string())
    };
    let outcomes: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..ENGINES).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes, vec![Ok(()); ENGINES]);
}

#[test]
fn the_first_engines_of_a_process_can_be_opened_at_once() {
    if std::env::var_os(IS_CHILD).is_some() {
        return open_all();
    }
    let name = "threads::the_first_engines_of_a_process_can_be_opened_at_once";
    for _ in 0..PROCESSES {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args([name, "--exact"]).env(IS_CHILD, "1").output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    }
}
