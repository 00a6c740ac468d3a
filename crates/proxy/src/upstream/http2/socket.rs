//! The socket of a connection that speaks HTTP/2, which hyper owns: counted while it is open, and overheard.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::tls::TlsFailure;
use crate::upstream::connection::Open;
use crate::upstream::stream::Stream;

/// A socket.
pub(crate) struct Link {
    stream: Stream,
    heard: Rc<Heard>,
    _open: Open,
}

/// What became known of a connection.
#[derive(Default)]
pub(super) struct Heard {
    /// What TLS said last: HTTP/2 keeps no more of an error than its text.
    failure: RefCell<Option<TlsFailure>>,
    /// Rung for whatever moves, until its settings are known.
    pub(super) moved: Notify,
    pub(super) settled: Cell<bool>,
}

impl Link {
    pub(super) fn new(stream: Stream, open: Open, heard: Rc<Heard>) -> Self {
        Self {
            stream,
            heard,
            _open: open,
        }
    }

    fn overhear<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = &polled {
            self.heard.hear(result.as_ref().err());
        }
        polled
    }
}

impl Heard {
    fn hear(&self, error: Option<&io::Error>) {
        if let Some(failure) = error.and_then(|error| TlsFailure::within(error)) {
            *self.failure.borrow_mut() = Some(failure);
        }
        if !self.settled.get() {
            self.moved.notify_waiters();
        }
    }

    /// What TLS failed with, if it did.
    pub(super) fn failure(&self) -> Option<TlsFailure> {
        self.failure.borrow().clone()
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.overhear(polled)
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.overhear(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.overhear(polled)
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
        self.overhear(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
