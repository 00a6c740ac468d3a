//! The access log: one JSON object a line, one line an exchange.
//!
//! Workers format lines into a buffer of their own and hand it over in batches; one thread writes them. A reader that
//! stalls costs lines, which are counted, and never a request.

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

/// A batch is handed over when it has grown to this, in octets, or at the next [`FLUSH_INTERVAL`].
const BATCH: usize = 16 * 1024;
/// How many batches may wait for the writer.
const QUEUE: usize = 256;
/// How long a line may wait in a worker's buffer.
pub(crate) const FLUSH_INTERVAL: Duration = Duration::from_millis(50);

/// The writer, and the way to it.
#[derive(Debug)]
pub(crate) struct AccessLog {
    sender: SyncSender<LogMessage>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum LogMessage {
    Lines(Vec<u8>),
    End,
}

/// One worker's buffer.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    lines: RefCell<Vec<u8>>,
    log: Arc<AccessLog>,
}

impl AccessLog {
    /// Starts the thread that writes to `out`, until [`AccessLog::end`].
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(
        out: Box<dyn Write + Send>,
    ) -> std::io::Result<(Arc<Self>, JoinHandle<()>)> {
        let (sender, batches) = sync_channel(QUEUE);
        // The writer holds no sender: it also ends when all of those are gone.
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

    /// Lets the writer end once everything handed over so far is written. Blocks while its queue is full.
    pub(crate) fn end(&self) {
        // A writer that is gone has ended.
        let _ = self.sender.send(LogMessage::End);
    }

    /// How many lines were lost because the reader of the log did not keep up, or could not be written to.
    #[must_use]
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// A buffer for one worker.
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

    /// Hands over what is there.
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
    while let Ok(LogMessage::Lines(batch)) = batches.recv() {
        // A log that cannot be written must not stop the proxy, and there is nowhere to tell it but stderr.
        if let Err(error) = out.write_all(&batch).and_then(|()| out.flush()) {
            count_lost(&batch, dropped);
            tracing::warn!(%error, "the access log cannot be written");
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
