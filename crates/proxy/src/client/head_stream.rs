//! What hyper does not do with the heads of HTTP/1.1: it refuses odd targets with one meaning, answers heads that it refuses
//! without a word, and sends no interim responses.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ClientConnection;
use super::presence::ClientPresence;
use crate::message::odd_target;
use crate::refusal::Refusal;
use crate::stream::ClientStream;

/// A client's stream on its way to hyper. Request lines are read first here, and their targets encoded where necessary; the
/// responses that hyper makes to heads that it refuses are replaced. Interim responses are sent before the response.
///
/// The line of the first head of a connection, and of every head that comes after the response to the one before, is read
/// so. A request that is sent ahead of that is left to hyper alone.
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
    /// The rest of the interim responses that are being sent.
    interim: Bytes,
    /// Whether all that hyper wrote has been sent.
    is_flushed: bool,
    /// The number of requests when all of them had been answered, and the answers sent.
    settled: Option<u32>,
    presence: ClientPresence,
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
    /// A stream of which every request so far has been answered.
    pub(crate) fn new(stream: ClientStream, connection: Rc<ClientConnection>) -> Self {
        let requests = connection.requests();
        Self {
            stream,
            connection,
            line: RequestLine::Awaited,
            requests,
            ahead: Bytes::new(),
            replaced: Bytes::new(),
            interim: Bytes::new(),
            is_flushed: true,
            settled: Some(requests),
            presence: ClientPresence::default(),
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

    /// Whether hyper is writing a response of its own: no request has been handed to the gateway since all were answered.
    fn is_unhandled(&self) -> bool {
        self.settled == Some(self.connection.requests())
    }

    /// Sends the interim responses that wait. Those that cannot be sent, because hyper is in the middle of a message, are
    /// dropped: nobody relies on them.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.interim.is_empty() && self.connection.interim.waits() {
            let waiting = self.connection.interim.take();
            if self.is_flushed {
                self.interim = waiting;
            }
        }
        while !self.interim.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.interim))?;
            if count == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.interim.advance(count);
        }
        Poll::Ready(Ok(()))
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
            let read = Pin::new(&mut self.stream).poll_read(cx, buf);
            self.presence.read(&read);
            ready!(read)?;
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
        ready!(self.poll_interim(cx))?;
        if self.is_unhandled()
            && let Some(replaced) = self.poll_replace(cx, buf)
        {
            return replaced;
        }
        self.is_flushed = false;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        if self.is_unhandled()
            && let [buf] = bufs
            && let Some(replaced) = self.poll_replace(cx, buf)
        {
            return replaced;
        }
        self.is_flushed = false;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes whenever it is polled, once it has nothing more to write.
        self.is_flushed = true;
        if self.connection.watch.is_quiet() {
            self.settled = Some(self.connection.requests());
        } else {
            ready!(self.poll_interim(cx))?;
            let Self {
                stream, presence, ..
            } = &mut *self;
            if let Poll::Ready(error) = presence.poll_gone(stream.socket(), cx) {
                return Poll::Ready(Err(error));
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
