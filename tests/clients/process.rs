//! Processes that run beside a test, and what they print.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A process; dropping it ends it.
pub(crate) struct Process {
    child: Child,
    lines: Lines,
}

/// What a process prints, line by line.
pub(crate) struct Lines(Receiver<String>);

impl Process {
    /// Starts it. What it says on stderr is for people.
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = Lines::of(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The same, with what it says on stderr.
    pub(crate) fn start_heard(command: &mut Command) -> (Self, Lines) {
        let mut process = Self::start(command.stderr(Stdio::piped()));
        let told = Lines::of(process.child.stderr.take().unwrap());
        (process, told)
    }

    /// The next line that it prints.
    pub(crate) fn next(&self) -> String {
        self.lines.next()
    }
}

impl Lines {
    fn of(from: impl Read + Send + 'static) -> Self {
        let (sender, lines) = sync_channel(1000);
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self(lines)
    }

    /// The next line.
    pub(crate) fn next(&self) -> String {
        let line = self.0.recv_timeout(PATIENCE);
        line.unwrap_or_else(|error| panic!("no line came: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
