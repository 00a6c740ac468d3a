//! What comes off a connection, before anybody knows what it is.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;

use crate::transfer::HTTP1_BUFFER;
use crate::upstream::stream::UpstreamStream;

/// Bytes that are read at once, if no more came at once before.
const LEAST: usize = 8 * 1024;
/// Bytes of a buffer that are used up before there is another.
const ROOM: usize = 2 * 1024;

/// A connection, and what was read of it and is not used yet.
pub(super) struct ReceivingStream {
    pub(super) stream: UpstreamStream,
    pub(super) received: BytesMut,
    /// Bytes that the next read of a body is to have room for: twice as many where all of it was filled, and half as many where
    /// little was.
    next: usize,
}

impl ReceivingStream {
    pub(super) fn new(stream: UpstreamStream) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
            next: LEAST,
        }
    }

    /// Reads what is there, at the beginning of a message. Returns how much it is; zero is the end of the stream.
    ///
    /// # Errors
    /// Those of the stream.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.room() < ROOM {
            self.received.reserve(LEAST);
        }
        pin!(self.stream.read_buf(&mut self.received)).poll(cx)
    }

    /// As [`ReceivingStream::poll_read`], within a body. At most `left` bytes of it are to come, if that is known.
    ///
    /// # Errors
    /// Those of the stream.
    pub(super) fn poll_read_body(
        &mut self,
        left: Option<u64>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let left = left.and_then(|left| usize::try_from(left).ok());
        let wanted = self.next.min(left.unwrap_or(usize::MAX).max(ROOM));
        if self.room() < wanted {
            self.received.reserve(wanted);
        }
        let room = self.room();
        let count = ready!(pin!(self.stream.read_buf(&mut self.received)).poll(cx))?;
        if count == room {
            self.next = (self.next * 2).min(HTTP1_BUFFER);
        } else if count < self.next / 4 {
            self.next = (self.next / 2).max(LEAST);
        }
        Poll::Ready(Ok(count))
    }

    /// Whether something, or the end, has come that nobody waits for. Takes no system call unless the runtime has been told
    /// that there is something.
    pub(super) fn has_more(&mut self) -> bool {
        // Who looks here next finds it again.
        let mut cx = Context::from_waker(Waker::noop());
        !self.received.is_empty() || self.stream.is_readable() && self.poll_read(&mut cx).is_ready()
    }

    fn room(&self) -> usize {
        self.received.capacity() - self.received.len()
    }
}
