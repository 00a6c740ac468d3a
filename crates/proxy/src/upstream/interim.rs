//! Interim responses of HTTP/1.1 upstreams (RFC 9110 15.2), which hyper would pass over.
//!
//! hyper tells of them only to who allocates for each request. Here they are read beneath it, where a response that begins
//! with its final head costs one comparison.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, ReadBuf};

use crate::exchange::Exchange;
use crate::stream::forward_writes;

/// How every interim response begins.
const INTERIM: &[u8] = b"HTTP/1.1 1";
/// Bytes of a head that are kept until its end has come. A longer one is left to hyper, as is one that is malformed.
const MAX_HEAD: usize = 16 * 1024;
/// Fields that the head of an interim response may have; as many as hyper allows.
const MAX_FIELDS: usize = 100;

/// Whose response a connection awaits.
#[derive(Default)]
pub(super) struct AwaitedResponse {
    is_awaited: Cell<bool>,
    exchange: Cell<Weak<Exchange>>,
}

impl AwaitedResponse {
    /// What comes next on the connection is the response to a request of this exchange; `None` is the gateway itself.
    pub(super) fn expect(&self, exchange: Option<&Rc<Exchange>>) {
        self.is_awaited.set(true);
        self.exchange
            .set(exchange.map(Rc::downgrade).unwrap_or_default());
    }

    /// The final head has come.
    fn came(&self) {
        self.is_awaited.set(false);
        self.exchange.take();
    }

    /// Passes on an interim response.
    fn inform(&self, status: StatusCode, headers: HeaderMap) {
        let exchange = self.exchange.take();
        if let Some(exchange) = exchange.upgrade() {
            exchange.inform(status, headers);
        }
        self.exchange.set(exchange);
    }
}

/// A connection to an upstream on its way to hyper, without the interim responses.
pub(super) struct InterimReader<S> {
    stream: S,
    awaited: Rc<AwaitedResponse>,
    /// What was read and not given to hyper yet. While a response is awaited, it may be an interim one.
    held: BytesMut,
}

/// What stands at the beginning of a response.
#[derive(Debug, PartialEq, Eq)]
enum ResponseStart {
    /// The head of an interim response of this many bytes.
    Interim(usize, StatusCode, HeaderMap),
    /// It may be the head of an interim response, of which there has to be more.
    Partial,
    /// Something else, or what hyper has to judge.
    Other,
}

impl ResponseStart {
    fn of(bytes: &[u8]) -> Self {
        let begun = bytes.len().min(INTERIM.len());
        if bytes[..begun] != INTERIM[..begun] {
            return Self::Other;
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut head = httparse::Response::new(&mut fields);
        let size = match head.parse(bytes) {
            Ok(httparse::Status::Complete(size)) => size,
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Self::Partial,
            Ok(httparse::Status::Partial) | Err(_) => return Self::Other,
        };
        let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
        // A 101 is final: what follows it is no HTTP.
        match status.filter(|it| *it != StatusCode::SWITCHING_PROTOCOLS) {
            Some(status) => Self::Interim(size, status, fields_of(&head)),
            None => Self::Other,
        }
    }
}

fn fields_of(head: &httparse::Response<'_, '_>) -> HeaderMap {
    let fields = head.headers.iter().filter_map(|field| {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(field.value).ok()?))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    headers
}

impl<S> InterimReader<S> {
    pub(super) fn new(stream: S, awaited: Rc<AwaitedResponse>) -> Self {
        Self {
            stream,
            awaited,
            held: BytesMut::new(),
        }
    }

    /// The stream, and what was read of it and not given to hyper.
    pub(super) fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.held.freeze())
    }

    /// Takes the interim responses off what is held.
    fn sort(&mut self) {
        while !self.held.is_empty() {
            match ResponseStart::of(&self.held) {
                ResponseStart::Interim(size, status, headers) => {
                    self.held.advance(size);
                    self.awaited.inform(status, headers);
                }
                ResponseStart::Partial => return,
                ResponseStart::Other => {
                    return self.awaited.came();
                }
            }
        }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.held.len().min(buf.remaining());
        buf.put_slice(&self.held[..count]);
        self.held.advance(count);
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for InterimReader<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.awaited.is_awaited.get() {
                if self.held.is_empty() {
                    return Pin::new(&mut self.stream).poll_read(cx, buf);
                }
                self.give(buf);
                return Poll::Ready(Ok(()));
            }
            let begin = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            let read = &buf.filled()[begin..];
            let is_final = self.held.is_empty()
                && !read.starts_with(&INTERIM[..INTERIM.len().min(read.len())]);
            if is_final {
                self.awaited.came();
                return Poll::Ready(Ok(()));
            }
            if read.is_empty() {
                // The end of the stream.
                self.awaited.came();
                if self.held.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            self.held.extend_from_slice(read);
            buf.set_filled(begin);
            self.sort();
        }
    }
}

forward_writes!(InterimReader);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const EARLY: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: </b>\r\n\r\n";
    const FINAL: &str =
        "HTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n";

    /// What hyper reads of `bytes` that arrive in pieces of this size.
    async fn read(bytes: &str, piece: usize) -> String {
        let (mut upstream, gateway) = duplex(piece);
        let awaited = Rc::new(AwaitedResponse::default());
        awaited.expect(None);
        let mut reader = InterimReader::new(gateway, awaited);
        let bytes = bytes.as_bytes().to_vec();
        let send = async move {
            upstream.write_all(&bytes).await.unwrap();
            drop(upstream);
        };
        let mut read = String::new();
        let (read_to_end, ()) = tokio::join!(reader.read_to_string(&mut read), send);
        read_to_end.unwrap();
        read
    }

    #[tokio::test]
    async fn interim_responses_are_taken_out_in_any_pieces_and_nothing_else() {
        let two = format!("{EARLY}HTTP/1.1 102 Processing\r\n\r\n{FINAL}");
        for piece in 1..=two.len() {
            assert_eq!(read(&two, piece).await, FINAL);
        }
        for kept in [
            FINAL,
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nHTTP/1.1 103 x\r\n\r\n",
            "HTTP/1.1 103 without an end",
            "HTTP/1.1 1xx no status\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nbad field\r\n\r\n",
            "HTTP/1.0 103 Early Hints\r\n\r\n",
            "HTTP/1.1",
            "",
        ] {
            for piece in [1, 7, 1000] {
                assert_eq!(read(kept, piece).await, kept);
            }
        }
        let endless = format!("HTTP/1.1 103 x\r\nlink: {}", "y".repeat(2 * MAX_HEAD));
        assert_eq!(read(&endless, 1000).await, endless);
    }

    #[test]
    fn the_fields_are_those_of_the_head() {
        let ResponseStart::Interim(size, status, headers) = ResponseStart::of(EARLY.as_bytes())
        else {
            panic!("it is an interim response");
        };
        assert_eq!((size, status.as_u16()), (EARLY.len(), 103));
        let links: Vec<_> = headers.get_all("link").iter().collect();
        assert_eq!(links, ["</a>", "</b>"]);
    }
}
