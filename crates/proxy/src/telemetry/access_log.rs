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

use serde::Serialize;

/// A batch is handed over when it has grown to this, in octets, or at the next [`FLUSH_EVERY`].
const BATCH: usize = 16 * 1024;
/// How many batches may wait for the writer.
const QUEUE: usize = 256;
/// How long a line may wait in a worker's buffer.
pub const FLUSH_EVERY: Duration = Duration::from_millis(50);

/// One line. Fields that are not known are left out.
#[derive(Debug, Default, Serialize)]
pub struct Line<'a> {
    /// RFC 3339, when the request's head had been read or had turned out not to be one.
    pub time: String,
    /// The Gateway and listener that took it, `namespace/name/listener`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// The route and rule it fell under, `namespace/name/rule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The client's address and port.
    pub client: String,
    /// The name that the client asked for when it began with TLS (RFC 6066 3), canonical.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<&'a str>,
    /// Whether it offered an encrypted hello, so that `sni` may be that of a front.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ech: Option<bool>,
    /// The user or client that it proved to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The request's method.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub method: &'a str,
    /// The scheme towards the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<&'a str>,
    /// Where the request wants to go, canonical, with the port if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<&'a str>,
    /// Where it is sent, after rewrites and the choice of a backend: host and port as the policies see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<&'a str>,
    /// The path as received. Never the query: that is where credentials travel.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub path: &'a str,
    /// `HTTP/1.1` and the like.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub protocol: &'a str,
    /// The response's status; absent if the client left before it, or was told nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it was refused or broken off: a value of the metrics' `reason`, or `client_closed` and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<&'a str>,
    /// `allow` or `deny`; `audit` for what an audit policy would have denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'a str>,
    /// The policy that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Its rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    /// The address of the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Whether the connection came from the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reused: Option<bool>,
    /// How often the request was sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// How the name was resolved, when it had to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<&'a str>,
    /// Octets of the request body that were forwarded.
    pub bytes_received: u64,
    /// Octets of the response body that were sent.
    pub bytes_sent: u64,
    /// Waiting for DNS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_ms: Option<f64>,
    /// Waiting for a TCP connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<f64>,
    /// Waiting for TLS on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ms: Option<f64>,
    /// From the request's head to the response's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<f64>,
    /// From the request's head to the end.
    pub total_ms: f64,
}

/// The writer, and the way to it.
#[derive(Debug)]
pub struct AccessLog {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Lines(Vec<u8>),
    End,
}

/// One worker's buffer.
#[derive(Debug)]
pub struct Buffer {
    lines: RefCell<Vec<u8>>,
    log: Arc<AccessLog>,
}

impl AccessLog {
    /// Starts the thread that writes to `out`, until [`AccessLog::end`].
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(out: Box<dyn Write + Send>) -> std::io::Result<(Arc<Self>, JoinHandle<()>)> {
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
    pub fn end(&self) {
        // A writer that is gone has ended.
        let _ = self.sender.send(Message::End);
    }

    /// How many lines were lost because the reader of the log did not keep up, or could not be written to.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// A buffer for one worker.
    #[must_use]
    pub fn buffer(self: &Arc<Self>) -> Buffer {
        Buffer {
            lines: RefCell::default(),
            log: Arc::clone(self),
        }
    }
}

impl Buffer {
    /// Adds a line. Tells whether it is the first of a batch, which somebody must then [`Buffer::flush`].
    pub fn write(&self, line: &Line<'_>) -> bool {
        let mut lines = self.lines.borrow_mut();
        let before = lines.len();
        if serde_json::to_writer(&mut *lines, line).is_err() {
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
    pub fn flush(&self) {
        let batch = self.lines.take();
        if batch.is_empty() {
            return;
        }
        let sent = self.log.sender.try_send(Message::Lines(batch));
        if let Err(TrySendError::Full(lost) | TrySendError::Disconnected(lost)) = sent {
            let Message::Lines(batch) = lost else { return };
            count_lost(&batch, &self.log.dropped);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.flush();
    }
}

fn write(mut out: Box<dyn Write + Send>, batches: &Receiver<Message>, dropped: &AtomicU64) {
    while let Ok(Message::Lines(batch)) = batches.recv() {
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

    struct Stalled(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Stalled {
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
        let (log, writer) = AccessLog::start(Box::new(Stalled(stall, written))).unwrap();
        let buffer = log.buffer();
        let line = Line {
            path: "/",
            ..Line::default()
        };
        let total = QUEUE + 10;
        for _ in 0..total {
            buffer.write(&line);
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
