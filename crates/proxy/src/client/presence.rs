//! Whether a client of HTTP/1.1 is still there while its request is being handled.
//!
//! A client that has sent its request may close its direction and still read the answer (RFC 9112 9.6), and so does not leave
//! by that. One that resets the connection does. hyper reads nothing while it waits for an answer, so that this is looked at
//! beneath it.

use std::io;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// What is known of the client's direction.
#[derive(Default)]
pub(super) struct ClientPresence {
    /// Whether hyper waits for the next bytes, and sees itself what comes.
    hyper_reads: bool,
    /// Whether there is something to read, or the end: what comes behind it does not show.
    has_more: bool,
}

impl ClientPresence {
    /// Records a read of hyper's.
    pub(super) fn read<T>(&mut self, read: &Poll<T>) {
        self.hyper_reads = read.is_pending();
        self.has_more = false;
    }

    /// Ready when the client has reset the connection.
    pub(super) fn poll_gone(
        &mut self,
        socket: &TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Error> {
        if self.hyper_reads || self.has_more {
            return Poll::Pending;
        }
        match socket.poll_peek(cx, &mut ReadBuf::new(&mut [0])) {
            Poll::Ready(Err(error)) => Poll::Ready(error),
            Poll::Ready(Ok(_)) => {
                self.has_more = true;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
