//! Child processes that run during a test, and their output.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A child process. Dropping it kills the process.
pub(crate) struct ChildProcess {
    child: Child,
    lines: OutputLines,
}

/// The output of a process, line by line.
pub(crate) struct OutputLines(Receiver<String>);

impl ChildProcess {
    /// Starts a process. Its stderr is that of the test.
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = OutputLines::of(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Starts a process, and returns the lines of its stderr as well.
    pub(crate) fn start_heard(command: &mut Command) -> (Self, OutputLines) {
        let mut process = Self::start(command.stderr(Stdio::piped()));
        let told = OutputLines::of(process.child.stderr.take().unwrap());
        (process, told)
    }

    /// Waits for the next line of stdout.
    pub(crate) fn next(&self) -> String {
        self.lines.next()
    }
}

impl OutputLines {
    fn of(from: impl Read + Send + 'static) -> Self {
        let (sender, lines) = sync_channel(1000);
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self(lines)
    }

    /// Waits for the next line.
    pub(crate) fn next(&self) -> String {
        let line = self.0.recv_timeout(PATIENCE);
        line.unwrap_or_else(|error| panic!("no line came: {error}"))
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
