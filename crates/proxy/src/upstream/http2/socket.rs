//! The socket of an HTTP/2 connection, which the library owns. It holds the connection's permit and observes errors.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::clock;
use crate::tls::TlsFailure;
use crate::transfer::SendGate;
use crate::upstream::connection_permit::ConnectionPermit;
use crate::upstream::stream::UpstreamStream;

/// A socket that records what happens on it.
pub(crate) struct ObservedSocket {
    stream: UpstreamStream,
    events: Rc<ConnectionEvents>,
    _open: ConnectionPermit,
}

/// What was observed on a connection.
pub(super) struct ConnectionEvents {
    /// The last TLS failure, because the HTTP/2 library keeps only the text of an error.
    failure: RefCell<Option<TlsFailure>>,
    /// Notified of every read and write, until the peer's settings are known.
    pub(super) progressed: Notify,
    pub(super) settings_received: Cell<bool>,
    /// When something was last read.
    pub(super) last_read: Cell<Instant>,
    has_ended: Cell<bool>,
    /// Whether the socket takes what is written to it.
    pub(super) gate: Rc<SendGate>,
}

impl ObservedSocket {
    pub(super) fn new(
        stream: UpstreamStream,
        open: ConnectionPermit,
        events: Rc<ConnectionEvents>,
    ) -> Self {
        Self {
            stream,
            events,
            _open: open,
        }
    }

    fn observe<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = &polled {
            self.events.record(result.as_ref().err());
        }
        polled
    }
}

impl ConnectionEvents {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            failure: RefCell::default(),
            progressed: Notify::new(),
            settings_received: Cell::default(),
            last_read: Cell::new(now),
            has_ended: Cell::default(),
            gate: Rc::default(),
        }
    }

    /// Records that the upstream is there.
    pub(super) fn was_read(&self) {
        self.last_read.set(clock::now());
    }

    /// Records that the connection has ended.
    pub(super) fn end(&self) {
        self.has_ended.set(true);
        self.progressed.notify_waiters();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    fn record(&self, error: Option<&io::Error>) {
        if let Some(failure) = error.and_then(|error| TlsFailure::within(error)) {
            *self.failure.borrow_mut() = Some(failure);
        }
        if !self.settings_received.get() {
            self.progressed.notify_waiters();
        }
    }

    /// The TLS failure, if there was one.
    pub(super) fn failure(&self) -> Option<TlsFailure> {
        self.failure.borrow().clone()
    }
}

impl AsyncRead for ObservedSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            self.events.was_read();
        }
        self.observe(polled)
    }
}

impl AsyncWrite for ObservedSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.events.gate.wrote(&polled);
        self.observe(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.observe(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.events.gate.wrote(&polled);
        self.observe(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
