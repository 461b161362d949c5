//! A program that is watched, signalled and killed while it runs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Far beyond what any test here waits for, even on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running program, whose stderr is read line by line.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    printed: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, printed: String::new() }
    }

    /// Waits for the first line about `stage`.
    pub(crate) fn reach(&mut self, stage: &str) {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else { panic!("no `{stage}` in\n{}", self.printed) };
            self.printed.extend([&line, "\n"]);
            if line.trim_start().starts_with(stage) {
                return;
            }
        }
    }

    /// Waits until the log of the training has so many rows, or the program ended.
    pub(crate) fn reach_step(&mut self, metrics: &Path, steps: usize) {
        let started = Instant::now();
        while std::fs::read_to_string(metrics).map_or(0, |text| text.lines().count()) < steps {
            assert!(started.elapsed() < PATIENCE, "never at step {steps}");
            if self.child.try_wait().unwrap().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end; the status, and everything printed on stderr.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.printed.extend([&line, "\n"]);
        }
        (self.child.wait().unwrap(), self.printed)
    }
}
