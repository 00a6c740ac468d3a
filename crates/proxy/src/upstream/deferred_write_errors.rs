//! A byte stream on which what the peer sent before a write failed can still be read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream whose writes are pending for ever once one has failed.
///
/// An upstream may answer before it has read the request, and close the connection (RFC 9110 section 10.1.1, RFC 9112
/// section 9.6). The next write then fails although the response is there to be read, and hyper gives up at the first
/// error of either direction. A connection that cannot be written to any more ends for its reader too, with the error or
/// with the end of the stream, so nothing waits for ever.
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

    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: Unpin> DeferredWriteErrors<S> {
    /// Writes with `write`, unless a write has failed.
    fn write<T>(
        mut self: Pin<&mut Self>,
        write: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.write_failed {
            return Poll::Pending;
        }
        let written = write(Pin::new(&mut self.stream));
        if let Poll::Ready(Err(_)) = written {
            self.write_failed = true;
            return Poll::Pending;
        }
        written
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
        self.write(|stream| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::ErrorKind;

    use tokio::io::AsyncReadExt;

    use super::*;

    /// What a socket is like whose peer has answered and reset the connection: there is something to read, and writes
    /// fail.
    struct ResetAfterAnswer(&'static [u8]);

    impl AsyncRead for ResetAfterAnswer {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for ResetAfterAnswer {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(ErrorKind::BrokenPipe.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_there_is_read_although_writes_fail() {
        let mut stream = DeferredWriteErrors::new(ResetAfterAnswer(b"HTTP/1.1 413 "));
        poll_fn(|cx| {
            assert!(Pin::new(&mut stream).poll_write(cx, b"body").is_pending());
            assert!(Pin::new(&mut stream).poll_flush(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"HTTP/1.1 413 ");
    }

    /// hyper must give the answer to the caller, and end the connection, whichever direction failed first.
    #[tokio::test]
    async fn a_request_whose_upload_fails_gets_the_answer() {
        let answer = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n";
        let stream = DeferredWriteErrors::new(ResetAfterAnswer(answer));
        let stream = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let body = String::from_utf8(vec![b'x'; 1 << 20]).unwrap();
        let (response, _) = tokio::join!(
            sender.send_request(http::Request::post("/").body(body).unwrap()),
            connection
        );
        assert_eq!(response.unwrap().status(), 413);
    }
}
