//! What hyper does not do with the heads of HTTP/1.1: it refuses odd targets with one meaning, and answers heads that it
//! refuses without a word.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ClientConnection;
use crate::message::odd_target;
use crate::refusal::Refusal;
use crate::stream::ClientStream;

/// A client's stream on its way to hyper. Request lines are read first here, and their targets encoded where necessary; the
/// responses that hyper makes to heads that it refuses are replaced.
///
/// The first head of a connection, and every head that comes after the response to the one before, is read so. A request
/// that is sent ahead of that is left to hyper alone.
pub(crate) struct HeadStream {
    stream: ClientStream,
    connection: Rc<ClientConnection>,
    line: RequestLine,
    /// The number of requests when the last request line was read.
    requests: u32,
    /// Bytes that were read and are yet to be read by hyper.
    ahead: Bytes,
    /// The rest of the response in place of hyper's.
    replaced: Bytes,
}

/// How far the line of the current request has been read.
enum RequestLine {
    /// The next byte is its first.
    Awaited,
    /// It is not complete.
    Begun(BytesMut),
    /// Its end has been read.
    Read,
}

impl HeadStream {
    pub(crate) fn new(stream: ClientStream, connection: Rc<ClientConnection>) -> Self {
        Self {
            stream,
            connection,
            line: RequestLine::Awaited,
            requests: 0,
            ahead: Bytes::new(),
            replaced: Bytes::new(),
        }
    }

    /// The stream, and the bytes that were read and not read by hyper.
    pub(crate) fn into_parts(self) -> (ClientStream, Bytes) {
        let begun = match self.line {
            RequestLine::Begun(begun) => begun.freeze(),
            RequestLine::Awaited | RequestLine::Read => Bytes::new(),
        };
        let unread = if begun.is_empty() {
            self.ahead
        } else {
            Bytes::from([self.ahead, begun].concat())
        };
        (self.stream, unread)
    }

    /// Whether the next byte may be part of a request line.
    fn awaits_line(&mut self) -> bool {
        if !matches!(self.line, RequestLine::Read) {
            return true;
        }
        let next = self.connection.requests() != self.requests && self.connection.watch.is_quiet();
        if next {
            self.line = RequestLine::Awaited;
        }
        next
    }

    /// Takes what was read, and gives what hyper is to read in its place; `None` if it is to read it as it is.
    fn line_read(&mut self, read: &[u8]) -> Option<Bytes> {
        let end = read.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let begun = match std::mem::replace(&mut self.line, RequestLine::Read) {
            RequestLine::Begun(begun) => begun,
            RequestLine::Awaited | RequestLine::Read => BytesMut::new(),
        };
        let is_too_long = begun.len() + read.len() > self.connection.limits().max_head;
        let Some(end) = end.filter(|_| !read.is_empty()) else {
            let mut begun = begun;
            begun.extend_from_slice(read);
            if read.is_empty() || is_too_long {
                self.requests = self.connection.requests();
                return Some(begun.freeze());
            }
            self.connection.watch.read();
            self.line = RequestLine::Begun(begun);
            return Some(Bytes::new());
        };
        self.requests = self.connection.requests();
        let line = if begun.is_empty() {
            odd_target::encoded(&read[..end])
        } else {
            let line = [&begun[..], &read[..end]].concat();
            odd_target::encoded(&line).into_owned().into()
        };
        let is_as_read = begun.is_empty() && matches!(line, std::borrow::Cow::Borrowed(_));
        (!is_as_read).then(|| Bytes::from([&line, &read[end..]].concat()))
    }

    /// Whether hyper is writing a response of its own: no request has been handed to the gateway since its line was read.
    fn is_unhandled(&self) -> bool {
        self.connection.requests() == self.requests && matches!(self.line, RequestLine::Read)
    }

    /// Writes the refusal in place of hyper's response `written`. `None` if that is none of hyper's.
    fn poll_replace(
        &mut self,
        cx: &mut Context<'_>,
        written: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.replaced.is_empty() {
            self.replaced = Bytes::from(refusal_of(written)?.encoded());
        }
        Some(self.poll_replaced(cx, written.len()))
    }

    fn poll_replaced(&mut self, cx: &mut Context<'_>, all: usize) -> Poll<io::Result<usize>> {
        while !self.replaced.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.replaced))?;
            if count == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.replaced.advance(count);
        }
        Poll::Ready(Ok(all))
    }
}

/// The refusal that hyper's response to a head stands for.
fn refusal_of(written: &[u8]) -> Option<Refusal> {
    let status = written.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let is_empty = written
        .windows(21)
        .any(|window| window == b"\r\ncontent-length: 0\r\n");
    if !is_empty || !written.ends_with(b"\r\n\r\n") {
        return None;
    }
    match status {
        b"400" => Some(Refusal::MalformedHead),
        b"414" | b"431" => Some(Refusal::HeadTooLarge),
        _ => None,
    }
}

impl AsyncRead for HeadStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.ahead.is_empty() {
                let count = self.ahead.len().min(buf.remaining());
                buf.put_slice(&self.ahead[..count]);
                self.ahead.advance(count);
                return Poll::Ready(Ok(()));
            }
            let awaits_line = self.awaits_line();
            let begin = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            if !awaits_line {
                return Poll::Ready(Ok(()));
            }
            let read = &buf.filled()[begin..];
            let is_end = read.is_empty();
            let Some(instead) = self.line_read(read) else {
                return Poll::Ready(Ok(()));
            };
            buf.set_filled(begin);
            self.ahead = instead;
            if is_end && self.ahead.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for HeadStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_unhandled()
            && let Some(replaced) = self.poll_replace(cx, buf)
        {
            return replaced;
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_unhandled()
            && let [buf] = bufs
            && let Some(replaced) = self.poll_replace(cx, buf)
        {
            return replaced;
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
