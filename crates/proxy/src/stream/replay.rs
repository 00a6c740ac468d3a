//! A byte stream of which something was read ahead, to find out the protocol.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A stream from which the bytes that were read ahead are read again, before the rest.
#[derive(Debug)]
pub(crate) struct ReplayStream<S = TcpStream> {
    stream: S,
    /// The bytes that were read ahead; empty and without a buffer once they have been read again.
    ahead: Bytes,
}

impl<S> ReplayStream<S> {
    /// A stream of which `ahead` was read already.
    pub(crate) fn new(stream: S, ahead: Bytes) -> Self {
        Self { stream, ahead }
    }

    /// Puts back the bytes that were read last.
    pub(crate) fn unread(&mut self, read: Bytes) {
        if read.is_empty() {
            // It may be of a large buffer.
            return;
        }
        self.ahead = if self.ahead.is_empty() {
            read
        } else {
            Bytes::from([read, std::mem::take(&mut self.ahead)].concat())
        };
    }

    /// Whether something was read ahead and is yet to be read again.
    pub(crate) fn has_unread(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// The stream, of which something may have been read ahead.
    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream, and the bytes that were read ahead and not read again.
    pub(crate) fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.ahead)
    }
}

/// A stream of which nothing was read ahead.
impl<S> From<S> for ReplayStream<S> {
    fn from(stream: S) -> Self {
        Self::new(stream, Bytes::new())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReplayStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let count = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..count]);
        self.ahead.advance(count);
        if self.ahead.is_empty() {
            self.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReplayStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// The two ends of a connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = tokio::task::spawn_blocking(move || egret_testkit::Client::connect(address));
        let (accepted, _) = listener.accept().await.unwrap();
        let client = connect.await.unwrap().into_stream();
        client.set_nonblocking(true).unwrap();
        (TcpStream::from_std(client).unwrap(), accepted)
    }

    #[tokio::test]
    async fn what_was_read_ahead_comes_before_the_rest_at_any_size_of_read() {
        for size in 1..=6 {
            let (mut client, accepted) = pair().await;
            client.write_all(b"rest").await.unwrap();
            client.shutdown().await.unwrap();
            let mut replay = ReplayStream::new(accepted, Bytes::from_static(b"ahead"));
            let (mut all, mut some) = (Vec::new(), vec![0; size]);
            loop {
                match replay.read(&mut some).await.unwrap() {
                    0 => break,
                    count => all.extend_from_slice(&some[..count]),
                }
            }
            assert_eq!(all, b"aheadrest");
            assert!(replay.ahead.is_empty());
        }
    }

    #[tokio::test]
    async fn what_was_not_read_again_is_given_back() {
        let (mut client, accepted) = pair().await;
        let mut replay = ReplayStream::new(accepted, Bytes::from_static(b"ahead"));
        let mut two = [0; 2];
        replay.read_exact(&mut two).await.unwrap();
        assert!(replay.is_write_vectored());
        replay.write_all(b"to the client").await.unwrap();
        let (stream, ahead) = replay.into_parts();
        drop(stream);
        assert_eq!(ahead, "ead");
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"to the client");
    }
}
