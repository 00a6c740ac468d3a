//! The timeouts of a client's connection: idle between requests, receiving a request head, and sending a response that the
//! client does not read.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use egret_config::snapshot::ConnectionLimits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout_at};

use super::ClientConnection;
use crate::clock;
use crate::stream::ClientStream;

/// Timeout for a request head from its first byte, and for the first head from the start of the connection.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection waits for its next request with all that HTTP holds in memory.
const DOZE_AFTER: Duration = Duration::from_secs(1);

/// The HTTP version of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpConnection {
    /// HTTP/1.1 and HTTP/1.0: one exchange at a time.
    Http1,
    /// HTTP/2: many exchanges at once.
    Http2,
}

/// What a connection waits for, and since when. Events update it and one long-lived timer reads it, so that a request
/// arms no timer.
pub(crate) struct ConnectionWatch {
    http: HttpConnection,
    /// Exchanges in progress.
    in_flight: Cell<usize>,
    /// What the connection waits for while no exchange is in progress.
    waiting_for: Cell<WaitingFor>,
    /// When the wait began.
    since: Cell<Instant>,
    /// When the write began that the client does not read; `None` if no write is blocked.
    blocked: Cell<Option<Instant>>,
    /// Whether something was written that has not been flushed.
    unflushed: Cell<bool>,
    /// Deadline for the current exchange, if it has one.
    deadline: Cell<Option<Instant>>,
    /// Notified when a deadline has been set, so that the timer looks at it.
    set: Notify,
    /// Whether the connection ended because the client read nothing for the idle timeout.
    stalled: Cell<bool>,
}

/// What a connection without an exchange waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitingFor {
    /// The rest of a request head.
    Head,
    /// The next request.
    Request,
}

/// The client's stream, which records reads and blocked writes in the connection's watch.
pub(crate) struct WatchedStream<S = ClientStream> {
    pub(crate) stream: S,
    pub(crate) connection: Rc<ClientConnection>,
}

impl ConnectionWatch {
    pub(crate) fn new(http: HttpConnection, now: Instant) -> Self {
        Self {
            http,
            in_flight: Cell::default(),
            waiting_for: Cell::new(WaitingFor::Head),
            since: Cell::new(now),
            blocked: Cell::default(),
            unflushed: Cell::default(),
            deadline: Cell::default(),
            set: Notify::new(),
            stalled: Cell::default(),
        }
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http == HttpConnection::Http2
    }

    /// Records that the head of a request has been read.
    pub(crate) fn exchange_begins(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// Records that an exchange has ended.
    pub(crate) fn exchange_ended(&self, now: Instant) {
        self.in_flight.set(self.in_flight.get() - 1);
        self.waiting_for.set(WaitingFor::Request);
        self.since.set(now);
        self.deadline.set(None);
    }

    /// Records that the rest of a request body is read on after its exchange. It has timeouts of its own.
    pub(crate) fn discard_begins(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// Records the end of the reading, after which the connection waits for a request.
    pub(crate) fn discard_ended(&self, now: Instant) {
        self.in_flight.set(self.in_flight.get() - 1);
        self.waiting_for.set(WaitingFor::Request);
        self.since.set(now);
    }

    /// Sets the deadline for the exchange of an HTTP/1 connection. It holds even while the client reads nothing, when the
    /// response body is not polled.
    pub(crate) fn must_end(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
        self.set.notify_one();
    }

    /// Has the task of the connection look at its stream.
    pub(super) fn wake(&self) {
        self.set.notify_one();
    }

    /// Whether no exchange is in progress.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight.get() == 0
    }

    /// Whether the client read nothing for the idle timeout.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.get()
    }

    /// Completes when a timeout of the connection expires.
    pub(crate) async fn expired(&self, limits: &ConnectionLimits) {
        // Any wait that begins meanwhile lasts at least as long as the shortest timeout.
        let look = HEAD_TIMEOUT.min(limits.idle_timeout);
        loop {
            let now = clock::now();
            let end = self.end(limits);
            if end.is_some_and(|end| now >= end) {
                self.stalled.set(self.in_flight.get() > 0);
                return;
            }
            let next = now + look;
            let next = end.map_or(next, |end| end.min(next));
            let _ = timeout_at(next.into(), self.set.notified()).await;
        }
    }

    /// Completes when the connection has waited for its next request for a while, and nothing of it is in progress.
    pub(crate) async fn quiet(&self) {
        let mut pause = DOZE_AFTER;
        loop {
            let (now, since) = (clock::now(), self.since.get());
            if self.is_between_requests() {
                let end = since + DOZE_AFTER;
                if now >= end {
                    return;
                }
                sleep_until(end.into()).await;
                pause = DOZE_AFTER;
                continue;
            }
            sleep_until((now + pause).into()).await;
            // A long exchange is looked at less and less often.
            pause = if self.since.get() == since {
                (2 * pause).min(HEAD_TIMEOUT)
            } else {
                DOZE_AFTER
            };
        }
    }

    /// Whether all responses have been sent, and nothing of a next request has come.
    fn is_between_requests(&self) -> bool {
        self.is_quiet() && self.waiting_for.get() == WaitingFor::Request && !self.unflushed.get()
    }

    /// When the connection times out if nothing happens; `None` if no timeout runs.
    fn end(&self, limits: &ConnectionLimits) -> Option<Instant> {
        if self.in_flight.get() == 0 {
            let limit = match self.waiting_for.get() {
                WaitingFor::Head => HEAD_TIMEOUT,
                WaitingFor::Request => limits.idle_timeout,
            };
            return Some(self.since.get() + limit);
        }
        if self.http == HttpConnection::Http2 {
            // Each stream has a timeout of its own, which does not end the others.
            return None;
        }
        let stalled = self.blocked.get()? + limits.stream_idle_limit();
        let deadline = self.deadline.get();
        Some(deadline.map_or(stalled, |deadline| deadline.min(stalled)))
    }

    /// Records the result of a write.
    fn wrote<T>(&self, written: &Poll<io::Result<T>>) {
        self.unflushed.set(true);
        if written.is_ready() {
            self.blocked.set(None);
        } else if self.blocked.get().is_none() {
            self.blocked.set(Some(clock::now()));
            self.set.notify_one();
        }
    }

    /// Records that bytes were read.
    pub(super) fn read(&self) {
        // On HTTP/2, bytes between two requests need not begin a request.
        if self.http == HttpConnection::Http1
            && self.in_flight.get() == 0
            && self.waiting_for.get() == WaitingFor::Request
        {
            self.waiting_for.set(WaitingFor::Head);
            self.since.set(clock::now());
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.connection.watch.read();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.connection.watch.wrote(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.connection.watch.unflushed.set(false);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.connection.watch.wrote(&written);
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(300);

    fn limits() -> ConnectionLimits {
        ConnectionLimits {
            idle_timeout: IDLE,
            ..ConnectionLimits::default()
        }
    }

    /// How long the watch waits for a client that sends a byte every ten seconds.
    async fn drips(watch: &ConnectionWatch) -> Duration {
        let begin = clock::now();
        let drip = async {
            loop {
                tokio::time::sleep(Duration::from_secs(10)).await;
                watch.read();
            }
        };
        let limits = limits();
        tokio::select! {
            () = drip => unreachable!("it goes on for ever"),
            () = watch.expired(&limits) => clock::now() - begin,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_has_its_time_and_no_more() {
        let watch = ConnectionWatch::new(HttpConnection::Http1, clock::now());
        assert_eq!(drips(&watch).await, HEAD_TIMEOUT);
        // The timeout of a later head runs from its first byte.
        let watch = ConnectionWatch::new(HttpConnection::Http1, clock::now());
        watch.exchange_begins();
        watch.exchange_ended(clock::now());
        assert_eq!(drips(&watch).await, Duration::from_secs(10) + HEAD_TIMEOUT);
        assert!(!watch.is_stalled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_of_http2_waits_for_a_request_whatever_else_comes() {
        let watch = ConnectionWatch::new(HttpConnection::Http2, clock::now());
        assert_eq!(drips(&watch).await, HEAD_TIMEOUT);
        let watch = ConnectionWatch::new(HttpConnection::Http2, clock::now());
        watch.exchange_begins();
        watch.exchange_ended(clock::now());
        assert_eq!(drips(&watch).await, IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_quiet_once_nothing_of_a_request_is_left() {
        let watch = ConnectionWatch::new(HttpConnection::Http1, clock::now());
        let begin = clock::now();
        let sleep = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
        let events = async {
            // The first head, a long exchange, and a client that takes its response late.
            sleep(10).await;
            watch.exchange_begins();
            sleep(100).await;
            watch.wrote(&Poll::<io::Result<()>>::Pending);
            watch.exchange_ended(clock::now());
            sleep(20).await;
            watch.unflushed.set(false);
            // Requests in turn, of which the last head comes in pieces.
            for _ in 0..50 {
                watch.exchange_begins();
                watch.exchange_ended(clock::now());
                tokio::time::sleep(DOZE_AFTER / 2).await;
            }
            watch.read();
            sleep(5).await;
            watch.exchange_begins();
            watch.exchange_ended(clock::now());
            clock::now()
        };
        let quiet = async {
            watch.quiet().await;
            clock::now()
        };
        let (last, quiet) = tokio::join!(events, quiet);
        assert!(quiet >= last + DOZE_AFTER, "not before");
        assert!(quiet <= last + HEAD_TIMEOUT + DOZE_AFTER, "not much later");
        assert_eq!(last - begin, Duration::from_secs(10 + 100 + 20 + 25 + 5));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_not_waited_for() {
        let watch = ConnectionWatch::new(HttpConnection::Http1, clock::now());
        let begin = clock::now();
        watch.exchange_begins();
        watch.wrote(&Poll::<io::Result<()>>::Pending);
        watch.expired(&limits()).await;
        assert_eq!(clock::now() - begin, limits().stream_idle_limit());
        assert!(watch.is_stalled());
    }
}
