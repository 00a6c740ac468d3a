//! What the process says about itself on stderr.
//!
//! Lines are handed to a thread of its own, which alone writes to stderr. A stderr that is closed, full or read by nobody
//! therefore delays nothing and ends nothing; the lines it does not take are counted and lost.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use egret_config::report::ReportProblem;
use egret_proxy::ProcessCounters;
use tracing_subscriber::fmt::MakeWriter;

mod format;

pub(crate) use format::{JsonEvents, LogFormat, Severity};

/// Most lines that wait for the writer.
const QUEUE: usize = 1024;
/// How long the process waits at its end for stderr to take the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

static CONSOLE: LazyLock<Console> = LazyLock::new(Console::default);

/// The queue of lines on their way to stderr.
#[derive(Default)]
struct Console {
    queue: Mutex<LineQueue>,
    /// Notified when there is a line to write.
    filled: Condvar,
    /// Notified when everything is written.
    written: Condvar,
    counters: Arc<ProcessCounters>,
    format: OnceLock<LogFormat>,
}

#[derive(Default)]
struct LineQueue {
    lines: VecDeque<Vec<u8>>,
    /// Whether the writer is busy with a line that it has taken.
    is_writing: bool,
}

/// Starts to write to stderr, panics included. Until then, lines wait.
///
/// # Errors
/// If the thread cannot be started.
pub(crate) fn start() -> io::Result<()> {
    panic::set_hook(Box::new(|panic| CONSOLE.panicked(panic)));
    thread::Builder::new()
        .name("stderr".to_owned())
        .spawn(|| CONSOLE.write_to(io::stderr()))?;
    Ok(())
}

/// Sets the format of the lines; text, if it is never set.
pub(crate) fn set_format(format: LogFormat) {
    // The format is set once, before there are lines.
    let _ = CONSOLE.format.set(format);
}

/// Writes an error, without a word in front: one line, or several if `text` has line breaks.
pub(crate) fn line(text: impl Display) {
    CONSOLE.say(|format| format.line(Severity::Error, &text.to_string()));
}

/// Writes an error in the configuration.
pub(crate) fn error(text: impl Display) {
    CONSOLE.say(|format| format.judged(Severity::Error, &text.to_string()));
}

/// Writes a mistake in the configuration.
pub(crate) fn problem(severity: Severity, problem: &ReportProblem) {
    CONSOLE.say(|format| format.problem(severity, problem));
}

/// Whether colours are for somebody there: on a terminal, unless NO_COLOR is set to something (no-color.org).
pub(crate) fn is_coloured(stream: &impl IsTerminal) -> bool {
    wants_colours(
        std::env::var_os("NO_COLOR").as_deref(),
        stream.is_terminal(),
    )
}

fn wants_colours(no_color: Option<&OsStr>, is_terminal: bool) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

/// Waits until stderr has taken everything, but not for long.
pub(crate) fn finish() {
    CONSOLE.finish(LAST_LINES);
}

/// The counters of lost lines and of panics.
pub(crate) fn counters() -> Arc<ProcessCounters> {
    Arc::clone(&CONSOLE.counters)
}

/// Writes the events of `tracing` as lines.
#[derive(Clone, Copy)]
pub(crate) struct EventWriter;

impl MakeWriter<'_> for EventWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

/// `tracing` writes each event with one call.
impl Write for EventWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        CONSOLE.push(event.to_vec());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Console {
    fn say(&self, line: impl FnOnce(LogFormat) -> String) {
        let format = self.format.get().copied().unwrap_or_default();
        let line = line(format);
        self.push(format!("{line}\n").into_bytes());
    }

    fn push(&self, line: Vec<u8>) {
        let mut queue = self.lock();
        if queue.lines.len() < QUEUE {
            queue.lines.push_back(line);
            self.filled.notify_one();
        } else {
            self.counters.lines_lost.fetch_add(1, Relaxed);
        }
    }

    /// Writes lines until the process ends.
    fn write_to(&self, mut out: impl Write) {
        loop {
            let line = self.next();
            // A disk that is full may have room again, so that the next line is tried too.
            if out.write_all(&line).is_err() {
                self.counters.lines_lost.fetch_add(1, Relaxed);
            }
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut queue = self.lock();
        queue.is_writing = false;
        loop {
            if let Some(line) = queue.lines.pop_front() {
                queue.is_writing = true;
                return line;
            }
            self.written.notify_all();
            let waited = self.filled.wait(queue);
            queue = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, limit: Duration) {
        let unwritten = |queue: &mut LineQueue| queue.is_writing || !queue.lines.is_empty();
        let _ = self
            .written
            .wait_timeout_while(self.lock(), limit, unwritten);
    }

    fn panicked(&self, panic: &PanicHookInfo<'_>) {
        self.counters.panics.fetch_add(1, Relaxed);
        let thread = thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let place = panic.location().map(ToString::to_string);
        let place = place.as_deref().unwrap_or("an unknown place");
        let message = panic.payload_as_str().unwrap_or("no message");
        let mut text = format!("egret: a defect in thread {thread} at {place}: {message}");
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            text += &format!("\n{backtrace}");
        }
        self.say(|format| format.line(Severity::Error, &text));
    }

    fn lock(&self) -> MutexGuard<'_, LineQueue> {
        // A queue is whole at every step.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};

    use super::*;

    /// Takes lines, and fails as it is told.
    struct Sink {
        fails: bool,
        lines: SyncSender<Vec<u8>>,
    }

    impl Write for Sink {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.lines.send(line.to_vec()).map_err(io::Error::other)?;
            if self.fails {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn console() -> &'static Console {
        Box::leak(Box::default())
    }

    #[test]
    fn colours_are_for_terminals_and_not_for_who_wants_none() {
        assert!(wants_colours(None, true));
        assert!(wants_colours(Some(OsStr::new("")), true));
        assert!(!wants_colours(Some(OsStr::new("1")), true));
        assert!(!wants_colours(None, false));
    }

    #[test]
    fn lines_beyond_the_queue_are_counted_and_lost() {
        let console = console();
        for _ in 0..QUEUE + 5 {
            console.push(b"line\n".to_vec());
        }
        assert_eq!(console.counters.lines_lost.load(Relaxed), 5);
        // Nobody writes, and the end of the process does not wait for it.
        console.finish(Duration::ZERO);
    }

    #[test]
    fn a_stderr_that_fails_loses_its_lines_and_takes_the_next() {
        let console = console();
        let (lines, written) = sync_channel(0);
        thread::spawn(|| console.write_to(Sink { fails: true, lines }));
        for line in [b"one\n", b"two\n"] {
            console.push(line.to_vec());
            assert_eq!(written.recv().unwrap(), line);
        }
        console.finish(Duration::from_secs(60));
        assert_eq!(console.counters.lines_lost.load(Relaxed), 2);
    }

    #[test]
    fn the_end_waits_for_the_last_line() {
        let console = console();
        let (lines, written) = sync_channel(1);
        console.push(b"last\n".to_vec());
        thread::spawn(|| {
            console.write_to(Sink {
                fails: false,
                lines,
            });
        });
        console.finish(Duration::from_secs(60));
        assert_eq!(written.try_recv().unwrap(), b"last\n");
    }
}
