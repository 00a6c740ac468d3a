//! A byte stream on which what the peer sent before a write failed can still be read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream whose writes are discarded once one has failed.
///
/// An upstream may answer before it has read the request, and close the connection (RFC 9110 section 10.1.1). The next
/// write then fails although the response is there to be read, and h2 gives up at the first error of either direction. It reads
/// only while it can write, so that writes go on into the void; the windows bound what it writes. A connection that cannot be
/// written to any more ends for its reader too, with the error or with the end of the stream, so nothing waits for ever.
pub(super) struct DeferredWriteErrors<S> {
    stream: S,
    write_failed: bool,
}

impl<S> DeferredWriteErrors<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            write_failed: false,
        }
    }
}

impl<S: Unpin> DeferredWriteErrors<S> {
    /// Writes with `write`, unless a write has failed. `all` gives the result of a write of everything.
    fn write<T>(
        mut self: Pin<&mut Self>,
        all: impl FnOnce() -> T,
        write: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if !self.write_failed {
            let written = write(Pin::new(&mut self.stream));
            if !matches!(written, Poll::Ready(Err(_))) {
                return written;
            }
            self.write_failed = true;
        }
        Poll::Ready(Ok(all()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for DeferredWriteErrors<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for DeferredWriteErrors<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(|| buf.len(), |stream| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = || bufs.iter().map(|buf| buf.len()).sum();
        self.write(all, |stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(|| (), |stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::task::Waker;

    use tokio::io::AsyncReadExt;

    use super::*;

    /// What a socket is like whose peer answers the first byte and resets the connection: there is something to read, and
    /// writes fail.
    struct ResetAfterAnswer {
        answer: &'static [u8],
        written_to: bool,
        reader: Option<Waker>,
    }

    impl ResetAfterAnswer {
        fn new(answer: &'static [u8]) -> Self {
            Self {
                answer,
                written_to: false,
                reader: None,
            }
        }

        fn fail<T>(&mut self) -> Poll<io::Result<T>> {
            self.written_to = true;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
            Poll::Ready(Err(ErrorKind::BrokenPipe.into()))
        }
    }

    impl AsyncRead for ResetAfterAnswer {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if !self.written_to {
                self.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Pin::new(&mut self.answer).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for ResetAfterAnswer {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.fail()
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.written_to {
                return self.fail();
            }
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_there_is_read_although_writes_fail() {
        let mut stream = DeferredWriteErrors::new(ResetAfterAnswer::new(b"HTTP/1.1 413 "));
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"body")
            .await
            .unwrap();
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"HTTP/1.1 413 ");
    }
}
