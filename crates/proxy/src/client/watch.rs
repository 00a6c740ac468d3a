//! How long a client's connection may stay quiet: between requests, within a head, and while the client takes nothing of
//! a response.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use egret_config::snapshot::ConnectionLimits;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::ClientConnection;
use crate::clock;
use crate::stream::ClientStream;

/// How long a head may take from its first octet, or the first head from the connection's start.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The HTTP of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpConnection {
    /// HTTP/1.1 and HTTP/1.0: one exchange at a time.
    Http1,
    /// HTTP/2: many exchanges at once.
    Http2,
}

/// What the connection waits for, and since when. Kept by events, read by one long-lived timer, so that a request
/// arms none.
pub(crate) struct ConnectionWatch {
    http: HttpConnection,
    in_flight: Cell<usize>,
    waiting_for: Cell<WaitingFor>,
    since: Cell<Instant>,
    /// Since when the client takes nothing of what is to be written.
    blocked: Cell<Option<Instant>>,
    /// When the exchange must be over, if it must.
    deadline: Cell<Option<Instant>>,
    /// Rung when there is a deadline.
    set: Notify,
    /// The client took nothing for too long.
    stalled: Cell<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitingFor {
    /// The rest of a head.
    Head,
    /// A next request.
    Request,
}

/// The client's stream, telling the watch when something is read or cannot be written.
pub(crate) struct WatchedStream {
    pub(crate) stream: TokioIo<ClientStream>,
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
            deadline: Cell::default(),
            set: Notify::new(),
            stalled: Cell::default(),
        }
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http == HttpConnection::Http2
    }

    /// A request's head has been read.
    pub(crate) fn exchange_begins(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// An exchange is over.
    pub(crate) fn exchange_ended(&self, now: Instant) {
        self.in_flight.set(self.in_flight.get() - 1);
        self.waiting_for.set(WaitingFor::Request);
        self.since.set(now);
        self.deadline.set(None);
    }

    /// The one exchange must be over by then, even if the client takes nothing, so that its body is not asked for more.
    pub(crate) fn must_end(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
        self.set.notify_one();
    }

    /// Whether no exchange is in progress.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight.get() == 0
    }

    /// Whether the client took nothing for too long.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.get()
    }

    /// Ends when the connection has been quiet for too long.
    pub(crate) async fn expired(&self, limits: &ConnectionLimits) {
        // Looking again after the shortest of the limits is often enough, whatever happens meanwhile.
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

    /// When the connection is over if nothing happens.
    fn end(&self, limits: &ConnectionLimits) -> Option<Instant> {
        if self.in_flight.get() == 0 {
            let limit = match self.waiting_for.get() {
                WaitingFor::Head => HEAD_TIMEOUT,
                WaitingFor::Request => limits.idle_timeout,
            };
            return Some(self.since.get() + limit);
        }
        if self.http == HttpConnection::Http2 {
            // Each stream is watched for itself: one that stalls is no reason to end the others.
            return None;
        }
        let stalled = self.blocked.get()? + limits.stream_idle_limit();
        let deadline = self.deadline.get();
        Some(deadline.map_or(stalled, |deadline| deadline.min(stalled)))
    }

    /// Something was to be written.
    fn wrote<T>(&self, written: &Poll<io::Result<T>>) {
        if written.is_ready() {
            self.blocked.set(None);
        } else if self.blocked.get().is_none() {
            self.blocked.set(Some(clock::now()));
            self.set.notify_one();
        }
    }

    fn read(&self) {
        // Of HTTP/2, what comes between two requests need not be the beginning of one.
        if self.http == HttpConnection::Http1
            && self.in_flight.get() == 0
            && self.waiting_for.get() == WaitingFor::Request
        {
            self.waiting_for.set(WaitingFor::Head);
            self.since.set(clock::now());
        }
    }
}

impl Read for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.connection.watch.read();
        }
        read
    }
}

impl Write for WatchedStream {
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
        Pin::new(&mut self.stream).poll_flush(cx)
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

    /// How long the watch waits for a client that sends an octet every ten seconds.
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
        // A later one from its first octet on.
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
