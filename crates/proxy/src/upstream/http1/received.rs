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
/// Bytes of room beyond what is expected. A read that does not fill its room tells the runtime, without another system call, that
/// there is no more.
const SPARE: usize = 1024;

/// A connection, and what was read of it and is not used yet.
pub(super) struct ReceivingStream {
    pub(super) stream: UpstreamStream,
    pub(super) received: BytesMut,
    size: ReadSize,
}

/// How much is read at once, by what came before.
#[derive(Debug, PartialEq, Eq)]
struct ReadSize {
    /// Bytes that the next read is to have room for.
    next: usize,
    /// Bytes of the last read.
    last: usize,
}

impl ReadSize {
    /// So much has been read into so much room. There will be twice as much where all of it was filled, and half as much where
    /// little was, twice.
    fn read(&mut self, count: usize, room: usize) {
        let before = std::mem::replace(&mut self.last, count);
        if count == room {
            self.next = (self.next * 2).min(HTTP1_BUFFER);
        } else if count.max(before) < self.next / 4 {
            self.next = (self.next / 2).max(LEAST);
        }
    }
}

impl ReceivingStream {
    pub(super) fn new(stream: UpstreamStream) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
            size: ReadSize {
                next: LEAST,
                last: 0,
            },
        }
    }

    /// Reads what is there, at the beginning of a message. Returns how much it is; zero is the end of the stream.
    ///
    /// # Errors
    /// Those of the stream.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // What is left of a buffer has room for many short messages.
        if self.room() < self.size.last + SPARE {
            self.received.reserve(self.size.next);
        }
        self.poll_fill(cx)
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
        let wanted = self
            .size
            .next
            .min(left.unwrap_or(usize::MAX).saturating_add(SPARE));
        if self.room() < wanted {
            self.received.reserve(wanted);
        }
        self.poll_fill(cx)
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let room = self.room();
        let count = ready!(pin!(self.stream.read_buf(&mut self.received)).poll(cx))?;
        self.size.read(count, room);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_grow_where_much_comes_and_shrink_where_little_does() {
        let mut size = ReadSize {
            next: LEAST,
            last: 0,
        };
        let fill = |size: &mut ReadSize, count: usize| {
            size.read(count, size.next);
            size.next / LEAST
        };
        let growing = [1, 2, 4, 8, 16, 32].map(|times| fill(&mut size, times * LEAST));
        assert_eq!(growing, [2, 4, 8, 16, 32, 32]);
        // The end of a body, and the next message, which is as large.
        let same = [1, 31].map(|times| fill(&mut size, times * LEAST));
        assert_eq!(same, [32, 32]);
        let shrinking = [100; 8].map(|count| fill(&mut size, count));
        assert_eq!(shrinking, [32, 16, 8, 4, 2, 1, 1, 1]);
    }
}
