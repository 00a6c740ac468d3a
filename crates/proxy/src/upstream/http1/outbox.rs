//! What is to be written to a connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWrite;

/// Bytes that are rather copied behind what is there than written from where they are.
const SMALL: usize = 1024;
/// Pieces that one system call writes.
const PIECES: usize = 16;

/// Bytes on their way to a connection, in order: pieces of bodies, and then what was put together here.
#[derive(Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Bytes>,
    last: Vec<u8>,
    /// Bytes of `last` that were written.
    written: usize,
    /// Bytes in `pieces`.
    waiting: usize,
}

impl Outbox {
    /// Where small things are put together, behind all that is there.
    pub(super) fn last(&mut self) -> &mut Vec<u8> {
        &mut self.last
    }

    /// Adds a piece of a body.
    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.len() <= SMALL {
            return self.last.extend_from_slice(&piece);
        }
        let last = std::mem::take(&mut self.last);
        let mut before = Bytes::from(last);
        before.advance(std::mem::take(&mut self.written));
        for piece in [before, piece] {
            if !piece.is_empty() {
                self.waiting += piece.len();
                self.pieces.push_back(piece);
            }
        }
    }

    /// Bytes that are still to be written.
    pub(super) fn len(&self) -> usize {
        self.waiting + self.last.len() - self.written
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// Those of the stream, which then is of no use for writing.
    pub(super) fn poll_send<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.len() > 0 {
            let written = ready!(self.poll_write(Pin::new(stream), cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        self.last.clear();
        self.written = 0;
        Pin::new(stream).poll_flush(cx)
    }

    fn poll_write<S: AsyncWrite>(
        &self,
        stream: Pin<&mut S>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let last = &self.last[self.written..];
        if self.pieces.is_empty() {
            return stream.poll_write(cx, last);
        }
        let mut slices = [IoSlice::new(&[]); PIECES];
        let each = self.pieces.iter().map(|piece| &**piece).chain([last]);
        let each = each.filter(|piece| !piece.is_empty());
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(each) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        stream.poll_write_vectored(cx, &slices[..count])
    }

    fn advance(&mut self, mut by: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            let count = by.min(piece.len());
            piece.advance(count);
            self.waiting -= count;
            by -= count;
            if !piece.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
        self.written += by;
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes at most so many bytes at once, and then none until it is asked again.
    struct Narrow {
        width: usize,
        written: Vec<u8>,
        is_full: bool,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.is_full = !self.is_full;
            if !self.is_full {
                return Poll::Pending;
            }
            let count = buf.len().min(self.width);
            self.written.extend_from_slice(&buf[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_is_put_in_comes_out_in_order_whatever_is_written_at_once() {
        let large = |fill: u8| Bytes::from(vec![fill; 3000]);
        for width in [1, 7, 1000, 2999, 3000, 100_000] {
            let mut outbox = Outbox::default();
            let mut stream = Narrow {
                width,
                written: Vec::new(),
                is_full: false,
            };
            let mut cx = Context::from_waker(Waker::noop());
            let mut expected = Vec::new();
            for fill in 0..30 {
                outbox.last().extend_from_slice(b"head");
                outbox.push(Bytes::from_static(b"small"));
                outbox.push(large(fill));
                expected.extend_from_slice(b"headsmall");
                expected.extend_from_slice(&large(fill));
                // Some of it is written before the next comes.
                let _ = outbox.poll_send(&mut stream, &mut cx);
                assert_eq!(outbox.len(), expected.len() - stream.written.len());
            }
            while outbox.poll_send(&mut stream, &mut cx).is_pending() {}
            assert!(stream.written == expected, "{width}");
            assert_eq!(outbox.len(), 0);
        }
    }
}
