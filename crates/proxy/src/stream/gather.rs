//! Writes of several buffers at once.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// Bytes that are rather copied together than written from several places: the system call for one buffer is cheaper.
const SMALL: usize = 1024;

/// Writes buffers, which most often are one, or a small head with a small body.
pub(crate) fn write_gathered(
    stream: Pin<&mut impl AsyncWrite>,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    match bufs {
        [one] => stream.poll_write(cx, one),
        [head, body] if head.len() + body.len() <= SMALL => {
            let mut together = [0; SMALL];
            let (first, rest) = together.split_at_mut(head.len());
            first.copy_from_slice(head);
            rest[..body.len()].copy_from_slice(body);
            stream.poll_write(cx, &together[..head.len() + body.len()])
        }
        _ => stream.poll_write_vectored(cx, bufs),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Takes everything, and counts its calls.
    #[derive(Default)]
    struct CountedWrites {
        written: Vec<u8>,
        plain: usize,
        vectored: usize,
    }

    impl AsyncWrite for CountedWrites {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.plain += 1;
            self.written.extend_from_slice(buf);
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.vectored += 1;
            bufs.iter()
                .for_each(|buf| self.written.extend_from_slice(buf));
            Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn small_things_are_written_as_one() {
        let cases: [(&[usize], [usize; 2]); 7] = [
            (&[0], [1, 0]),
            (&[9000], [1, 0]),
            (&[0, 0], [1, 0]),
            (&[1, 1023], [1, 0]),
            (&[1024, 0], [1, 0]),
            (&[1, 1024], [0, 1]),
            (&[1, 1, 1], [0, 1]),
        ];
        for (sizes, calls) in cases {
            let buffers: Vec<_> = sizes
                .iter()
                .zip(b'a'..)
                .map(|(size, byte)| vec![byte; *size])
                .collect();
            let slices: Vec<_> = buffers.iter().map(|buffer| IoSlice::new(buffer)).collect();
            let mut stream = CountedWrites::default();
            let write = |cx: &mut Context<'_>| write_gathered(Pin::new(&mut stream), cx, &slices);
            let written = poll_fn(write).await.unwrap();
            assert_eq!([stream.plain, stream.vectored], calls, "{sizes:?}");
            assert_eq!(
                (written, stream.written),
                (buffers.concat().len(), buffers.concat())
            );
        }
    }
}
