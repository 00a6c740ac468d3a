//! An HTTP/2 stream as a stream of bytes in both directions, for tunnels.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::SendGate;

/// An HTTP/2 stream as a stream of bytes in both directions. Dropping it ends its own direction.
pub(crate) struct DuplexStream {
    sender: StreamSender,
    receiver: RecvStream,
    /// That of the connection.
    gate: Rc<SendGate>,
    /// What was received and not read yet.
    received: Bytes,
    /// Whether the own direction has ended.
    has_ended: bool,
}

/// The own direction of a stream, which whoever waits for the end of the stream looks at too.
#[derive(Clone)]
pub(crate) struct StreamSender(Rc<RefCell<SendStream<Bytes>>>);

impl StreamSender {
    pub(crate) fn new(stream: SendStream<Bytes>) -> Self {
        Self(Rc::new(RefCell::new(stream)))
    }

    /// Completes when nothing more can be sent, because the peer reset the stream or the connection ended.
    pub(crate) async fn closed(&self) {
        // What it was does not matter.
        let _ = poll_fn(|cx| self.0.borrow_mut().poll_reset(cx)).await;
    }
}

impl DuplexStream {
    pub(crate) fn new(sender: StreamSender, receiver: RecvStream, gate: Rc<SendGate>) -> Self {
        Self {
            sender,
            receiver,
            gate,
            received: Bytes::new(),
            has_ended: false,
        }
    }

    /// Ends the own direction.
    fn end(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.has_ended, true) {
            return Ok(());
        }
        let mut sender = self.sender.0.borrow_mut();
        sender.send_data(Bytes::new(), true).map_err(into_io)
    }
}

/// The error of a byte stream that an error of an HTTP/2 stream is.
fn into_io(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error
            .into_io()
            .unwrap_or_else(|| ErrorKind::BrokenPipe.into());
    }
    let kind = if error.is_reset() {
        ErrorKind::ConnectionReset
    } else {
        ErrorKind::BrokenPipe
    };
    io::Error::new(kind, error)
}

impl AsyncRead for DuplexStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.received.is_empty() {
            match ready!(self.receiver.poll_data(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(data)) => self.received = data,
                Some(Err(error)) => {
                    let is_end = [Some(Reason::NO_ERROR), Some(Reason::CANCEL)];
                    if is_end.contains(&error.reason()) {
                        return Poll::Ready(Ok(()));
                    }
                    return Poll::Ready(Err(into_io(error)));
                }
            }
        }
        let count = self.received.len().min(buf.remaining());
        buf.put_slice(&self.received[..count]);
        self.received.advance(count);
        // It fails only if more is released than was received.
        let _ = self.receiver.flow_control().release_capacity(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for DuplexStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut sender = self.sender.0.borrow_mut();
        if sender.capacity() == 0 {
            // Nothing is claimed of the connection's window before there is something to send.
            sender.reserve_capacity(1);
        }
        while sender.capacity() == 0 {
            match ready!(sender.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                None => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            }
        }
        ready!(self.gate.poll_open(buf.len(), cx));
        let sent = sender.send_data(Bytes::copy_from_slice(buf), false);
        Poll::Ready(sent.map(|()| buf.len()).map_err(into_io))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The task of the connection writes.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end())
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        // The peer may have reset the stream.
        let _ = self.end();
    }
}
