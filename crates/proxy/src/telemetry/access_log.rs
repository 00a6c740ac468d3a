//! The access log: one line for each exchange, each a JSON object.
//!
//! Workers format lines into buffers of their own and hand them over in batches to one thread, which writes them. If the
//! reader of the log stalls, lines are lost and counted; requests are never delayed.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::record::Record;
use line::LogLine;

mod line;

/// Size in bytes at which a batch is handed over before its [`FLUSH_INTERVAL`] is over.
const BATCH: usize = 16 * 1024;
/// Most batches that wait for the writer.
const QUEUE: usize = 256;
/// Longest time that a line waits in a worker's buffer.
pub(crate) const FLUSH_INTERVAL: Duration = Duration::from_millis(50);

/// The sending side of the thread that writes the log.
#[derive(Debug)]
pub(crate) struct AccessLog {
    sender: SyncSender<LogMessage>,
    dropped: Arc<AtomicU64>,
}

/// A message to the thread that writes the log.
#[derive(Debug)]
enum LogMessage {
    /// Lines to write.
    Lines(Vec<u8>),
    /// End of the log.
    End,
}

/// The buffer of one worker.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    lines: RefCell<Vec<u8>>,
    log: Arc<AccessLog>,
}

impl AccessLog {
    /// Starts the thread that writes to `out` until [`AccessLog::end`].
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(
        out: Box<dyn Write + Send>,
    ) -> std::io::Result<(Arc<Self>, JoinHandle<()>)> {
        let (sender, batches) = sync_channel(QUEUE);
        // The writer holds no sender, so that it also ends when all senders are dropped.
        let log = Arc::new(Self {
            sender,
            dropped: Arc::default(),
        });
        let dropped = Arc::clone(&log.dropped);
        let writer = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write(out, &batches, &dropped))?;
        Ok((log, writer))
    }

    /// Ends the writer once everything handed over so far is written. Blocks while the queue is full.
    pub(crate) fn end(&self) {
        // An error means that the writer has already ended.
        let _ = self.sender.send(LogMessage::End);
    }

    /// The number of lines that were lost because the reader of the log did not keep up or writing failed.
    #[must_use]
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Creates the buffer of one worker.
    #[must_use]
    pub(crate) fn buffer(self: &Arc<Self>) -> LogBuffer {
        LogBuffer {
            lines: RefCell::default(),
            log: Arc::clone(self),
        }
    }
}

impl LogBuffer {
    /// Adds the line of a record. Returns whether it is the first of a batch, which the caller must then
    /// [flush](LogBuffer::flush).
    pub(crate) fn write(&self, record: &Record<'_>) -> bool {
        let line = LogLine::from(record);
        let mut lines = self.lines.borrow_mut();
        let before = lines.len();
        if serde_json::to_writer(&mut *lines, &line).is_err() {
            lines.truncate(before);
            return false;
        }
        lines.push(b'\n');
        let full = lines.len() >= BATCH;
        drop(lines);
        if full {
            self.flush();
        }
        before == 0 && !full
    }

    /// Hands the buffered lines over to the writer.
    pub(crate) fn flush(&self) {
        let batch = self.lines.take();
        if batch.is_empty() {
            return;
        }
        let sent = self.log.sender.try_send(LogMessage::Lines(batch));
        if let Err(TrySendError::Full(lost) | TrySendError::Disconnected(lost)) = sent {
            let LogMessage::Lines(batch) = lost else {
                return;
            };
            count_lost(&batch, &self.log.dropped);
        }
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

fn write(mut out: Box<dyn Write + Send>, batches: &Receiver<LogMessage>, dropped: &AtomicU64) {
    let mut is_failing = false;
    while let Ok(LogMessage::Lines(batch)) = batches.recv() {
        let written = out.write_all(&batch).and_then(|()| out.flush());
        let was_failing = std::mem::replace(&mut is_failing, written.is_err());
        // A failing log must not stop the proxy, so that the error can only be reported on stderr, once.
        match written {
            Err(error) => {
                count_lost(&batch, dropped);
                if !was_failing {
                    tracing::warn!(%error, "the access log cannot be written");
                }
            }
            Ok(()) if was_failing => tracing::info!("the access log is written again"),
            Ok(()) => {}
        }
    }
}

fn count_lost(batch: &[u8], dropped: &AtomicU64) {
    let lines = batch.iter().filter(|byte| **byte == b'\n').count();
    dropped.fetch_add(lines as u64, Relaxed);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;

    use super::*;

    struct StalledReader(Receiver<()>, Sender<Vec<u8>>);

    impl Write for StalledReader {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test's own queue")]
    fn a_reader_that_stalls_costs_lines_and_nothing_else() {
        let (go, stall) = std::sync::mpsc::channel();
        let (written, batches) = std::sync::mpsc::channel();
        let (log, writer) = AccessLog::start(Box::new(StalledReader(stall, written))).unwrap();
        let buffer = log.buffer();
        let record = Record {
            path: "/",
            ..Record::default()
        };
        let total = QUEUE + 10;
        for _ in 0..total {
            buffer.write(&record);
            buffer.flush();
        }
        // One batch may have been taken by the writer already.
        let dropped = usize::try_from(log.dropped()).unwrap();
        assert!((9..=10).contains(&dropped), "{dropped}");
        drop((go, buffer, log));
        writer.join().unwrap();
        assert_eq!(batches.iter().count(), total - dropped);
    }
}
