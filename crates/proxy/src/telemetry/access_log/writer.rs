//! The writer of one log: a thread with a bounded queue of batches.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::output::LogOutput;
use crate::clock;

/// Most batches that wait for a writer.
pub(super) const QUEUE: usize = 256;
/// Most bytes that wait for all writers together.
const MAX_QUEUED: usize = 32 * 1024 * 1024;
/// How long a disk or a reader may take for one batch before somebody is told.
const SLOW: Duration = Duration::from_secs(5);

/// Lines to write.
#[derive(Debug, Default)]
pub(super) struct LogBatch {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

/// What all writers count together.
#[derive(Debug, Default)]
pub(super) struct LogTotals {
    /// Lines that were lost.
    dropped: AtomicU64,
    /// Bytes that wait to be written.
    queued: AtomicUsize,
    /// The threads of writers that nobody hands lines to any more, which still write what they have.
    let_go: Mutex<Vec<JoinHandle<()>>>,
}

/// The sending side of the thread that writes a log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    sender: SyncSender<LogMessage>,
    state: Arc<WriterState>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread and its senders share.
#[derive(Debug)]
struct WriterState {
    /// The log in messages.
    name: String,
    totals: Arc<LogTotals>,
    /// Whether the file is to be opened anew.
    reopen: AtomicBool,
    /// Why lines are being lost.
    trouble: Mutex<Option<String>>,
    /// Since when the file is being opened or written, if it is.
    busy_since: Mutex<Option<Instant>>,
}

/// A message to the thread that writes a log.
#[derive(Debug)]
enum LogMessage {
    /// Lines to write.
    Lines(LogBatch),
    /// There is something to do other than to write.
    Wake,
    /// The end of the log.
    End,
}

impl LogTotals {
    /// The number of lines that were lost.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Waits for the writers that nobody hands lines to any more.
    pub(super) fn end(&self) {
        let let_go = std::mem::take(&mut *locked(&self.let_go));
        for thread in let_go {
            drop(thread.join());
        }
    }
}

impl LogWriter {
    /// Starts the thread that writes to `out`, until [`LogWriter::end`] or until nobody can send any more.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(super) fn start(name: String, out: LogOutput, totals: &Arc<LogTotals>) -> io::Result<Self> {
        let (sender, messages) = sync_channel(QUEUE);
        let state = Arc::new(WriterState {
            name,
            totals: Arc::clone(totals),
            reopen: AtomicBool::default(),
            trouble: Mutex::default(),
            busy_since: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        // The thread holds no sender, so that it also ends when all senders are dropped.
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || run(out, &messages, &shared))?;
        Ok(Self {
            sender,
            state,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands lines over. They are lost if too many wait already.
    pub(super) fn hand_over(&self, batch: LogBatch) {
        let queued = &self.state.totals.queued;
        let size = batch.bytes.len();
        if queued.fetch_add(size, Relaxed) + size > MAX_QUEUED {
            queued.fetch_sub(size, Relaxed);
            return self.state.lost(&batch, "too much waits to be written");
        }
        let sent = self.sender.try_send(LogMessage::Lines(batch));
        if let Err(TrySendError::Full(lost) | TrySendError::Disconnected(lost)) = sent {
            queued.fetch_sub(size, Relaxed);
            if let LogMessage::Lines(batch) = lost {
                self.state.lost(&batch, "its reader does not keep up");
            }
        }
    }

    /// Opens the file anew.
    pub(super) fn reopen(&self) {
        self.state.reopen.store(true, Relaxed);
        // If the queue is full, the thread has work, and sees it then.
        let _ = self.sender.try_send(LogMessage::Wake);
    }

    /// Why lines are being lost, or are about to be, with the name of the log.
    pub(super) fn trouble(&self, now: Instant) -> Option<String> {
        let state = &self.state;
        let why = locked(&state.trouble).clone();
        let why = why.or_else(|| {
            let took = now.saturating_duration_since((*locked(&state.busy_since))?);
            let seconds = took.as_secs();
            (took >= SLOW).then(|| {
                format!(
                    "nothing could be written for {seconds} s; what comes is lost if that goes on"
                )
            })
        })?;
        Some(format!("{}: {why}", state.name))
    }

    /// Ends the writer once everything handed over so far is written. Blocks until then.
    pub(super) fn end(&self) {
        // An error means that the thread has already ended.
        let _ = self.sender.send(LogMessage::End);
        let thread = locked(&self.thread).take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // It writes what it was given, which the end of the process waits for.
        let mut let_go = locked(&self.state.totals.let_go);
        let_go.retain(|thread| !thread.is_finished());
        let_go.extend(locked(&self.thread).take());
    }
}

/// What a mutex holds. All of it is whole at every step here, so that a poisoned lock is harmless.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WriterState {
    fn lost(&self, batch: &LogBatch, why: &str) {
        self.totals.dropped.fetch_add(batch.lines, Relaxed);
        self.set_trouble(Some(why));
    }

    fn set_trouble(&self, why: Option<&str>) {
        let mut trouble = locked(&self.trouble);
        if trouble.as_deref() != why {
            *trouble = why.map(str::to_owned);
        }
    }

    /// Calls a function that may take long, because it opens or writes the file.
    fn busy<T>(&self, act: impl FnOnce() -> T) -> T {
        *locked(&self.busy_since) = Some(clock::now());
        let done = act();
        *locked(&self.busy_since) = None;
        done
    }
}

fn run(mut out: LogOutput, messages: &Receiver<LogMessage>, state: &WriterState) {
    let mut is_failing = false;
    loop {
        let message = messages.recv();
        if state.reopen.swap(false, Relaxed) {
            state.busy(|| out.reopen());
        }
        let batch = match message {
            Ok(LogMessage::Lines(batch)) => batch,
            Ok(LogMessage::Wake) => continue,
            Ok(LogMessage::End) | Err(_) => return,
        };
        let written = state.busy(|| out.write(&batch.bytes));
        let left = state.totals.queued.fetch_sub(batch.bytes.len(), Relaxed) - batch.bytes.len();
        let was_failing = std::mem::replace(&mut is_failing, written.is_err());
        let name = &state.name;
        // A failing log must not stop the proxy, so that the error can only be reported on stderr, once.
        match written {
            Err(error) => {
                state.lost(&batch, &error.to_string());
                if !was_failing {
                    tracing::warn!(%error, "{name} cannot be written");
                }
            }
            Ok(()) => {
                if was_failing {
                    tracing::info!("{name} is written again");
                }
                if was_failing || left == 0 {
                    state.set_trouble(None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
