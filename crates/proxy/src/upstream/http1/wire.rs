//! One HTTP/1.1 connection: what is written to it and read from it for one request after the other.

use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};

use http::header::HeaderMap;
use http::{StatusCode, Version};
use http_body::Body as _;
use tokio::io::AsyncWrite as _;

use super::error::Http1Error;
use super::outbox::Outbox;
use super::received::ReceivingStream;
use super::request_head::{self, BodyEncoder};
use super::response_framing::{BodyDecoder, Decoded};
use super::response_head::{HeadReader, ReceivedHead, RequestKind};
use crate::exchange::Exchange;
use crate::transfer::HTTP1_BUFFER;
use crate::upstream::connection_permit::ConnectionPermit;
use crate::upstream::outgoing::OutgoingRequest;
use crate::upstream::request_body::RequestBodyError;
use crate::upstream::stream::UpstreamStream;
use crate::upstream::upgraded::UpgradedStream;

/// A connection with what HTTP holds for it.
pub(super) struct Wire {
    socket: ReceivingStream,
    permit: ConnectionPermit,
    heads: HeadReader,
    outbox: Outbox,
    writing: Writing,
    reading: Reading,
    /// Whether another request may follow.
    is_reusable: bool,
}

/// What is being written.
enum Writing {
    Nothing,
    /// What is in the outbox, and nothing after it.
    Rest,
    /// A body.
    Body(Box<OutgoingRequest>, BodyEncoder),
    /// Nothing more, because a write has failed. The upstream may have answered before that, and closed the connection
    /// (RFC 9110 10.1.1, RFC 9112 9.6): its answer is there to be read. The body is kept, because its client waits for that.
    Failed {
        _body: Option<Box<OutgoingRequest>>,
    },
}

/// What is being read.
enum Reading {
    Nothing,
    Head(AwaitedHead),
    /// The upstream agreed to another protocol, and the request is not written as a whole yet.
    Switch(ReceivedHead),
    /// Whoever has the response reads its body.
    Body,
}

/// A head that is awaited.
struct AwaitedHead {
    request: RequestKind,
    /// Whether the request asks for another protocol.
    may_switch: bool,
    /// Who is told of interim responses.
    exchange: Weak<Exchange>,
    /// The map that the request's fields were in, for those of the response.
    space: HeaderMap,
}

/// How much of a body was put into the outbox.
#[derive(PartialEq, Eq)]
enum Gathered {
    All,
    /// As much as there is.
    Some,
    /// As much as the outbox may have.
    Enough,
}

/// What a connection has come to.
pub(super) enum WireEvent {
    /// The head of a response has come.
    Head(ReceivedHead),
    /// What follows this head is another protocol.
    Switch(ReceivedHead),
}

/// A request that is to be sent.
pub(in crate::upstream) struct NextRequest {
    pub(in crate::upstream) request: Box<OutgoingRequest>,
    /// Whether the request asks for another protocol.
    pub(in crate::upstream) may_switch: bool,
}

impl Wire {
    /// A response may have `max_fields` header fields.
    pub(super) fn new(
        stream: UpstreamStream,
        permit: ConnectionPermit,
        max_fields: Option<usize>,
    ) -> Self {
        Self {
            socket: ReceivingStream::new(stream),
            permit,
            heads: HeadReader::new(max_fields),
            outbox: Outbox::default(),
            writing: Writing::Nothing,
            reading: Reading::Nothing,
            is_reusable: true,
        }
    }

    /// Whether the connection can take a request.
    pub(super) fn is_idle(&self) -> bool {
        matches!(
            (&self.reading, &self.writing),
            (Reading::Nothing, Writing::Nothing)
        )
    }

    /// Whether the upstream has closed an idle connection, or sent what no request asked for.
    pub(super) fn is_over(&mut self) -> bool {
        self.socket.has_more()
    }

    /// Begins with a request. The connection must be idle.
    pub(super) fn begin(&mut self, next: NextRequest) {
        let NextRequest {
            mut request,
            may_switch,
        } = next;
        let encoder = request_head::write(&mut request, self.outbox.last());
        let mut space = std::mem::take(&mut request.parts.headers);
        space.clear();
        let exchange = request.body.exchange();
        self.reading = Reading::Head(AwaitedHead {
            request: RequestKind::of(&request.parts.method),
            may_switch,
            exchange: exchange.map(Rc::downgrade).unwrap_or_default(),
            space,
        });
        self.writing = match encoder {
            Some(encoder) => Writing::Body(request, encoder),
            None => Writing::Rest,
        };
    }

    /// Writes what there is to write, and reads the head that is awaited. Pending if none is.
    ///
    /// # Errors
    /// If there will be no response.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<WireEvent, Http1Error>> {
        self.write(cx).map_err(Http1Error::RequestBody)?;
        if let Reading::Head(awaited) = &mut self.reading {
            let head = ready!(awaited.poll(&mut self.heads, &mut self.socket, cx))?;
            if !awaited.is_switch(&head) {
                self.reading = Reading::Body;
                self.is_reusable &= head.is_reusable;
                return Poll::Ready(Ok(WireEvent::Head(head)));
            }
            self.reading = Reading::Switch(head);
        }
        match std::mem::replace(&mut self.reading, Reading::Nothing) {
            // What follows the request is no HTTP either.
            Reading::Switch(head) if matches!(self.writing, Writing::Nothing) => {
                Poll::Ready(Ok(WireEvent::Switch(head)))
            }
            other => {
                self.reading = other;
                Poll::Pending
            }
        }
    }

    /// Reads a body, of which this decoder knows how it goes on.
    ///
    /// # Errors
    /// If the body is broken off or malformed.
    pub(super) fn poll_body(
        &mut self,
        decoder: &mut BodyDecoder,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Decoded, Http1Error>> {
        loop {
            match decoder.take(&mut self.socket.received)? {
                Decoded::Partial => {}
                decoded => return Poll::Ready(Ok(decoded)),
            }
            let read = self.socket.poll_read_body(decoder.left(), cx);
            if ready!(read).map_err(Http1Error::Read)? == 0 {
                decoder.end()?;
            }
        }
    }

    /// The response is over. Returns whether the connection can be used again, after the rest of the request at the latest.
    pub(super) fn response_ended(&mut self) -> bool {
        self.reading = Reading::Nothing;
        // Nobody asked for what follows.
        self.is_reusable && self.socket.received.is_empty()
    }

    /// Says that nothing more comes, where that is the custom: over TLS (RFC 8446 6.1).
    pub(super) fn say_end(&mut self, cx: &mut Context<'_>) {
        let stream = &mut self.socket.stream;
        if !matches!(stream, UpstreamStream::Plain(_)) {
            // It is said if there is room for it at once.
            let _ = Pin::new(stream).poll_shutdown(cx);
        }
    }

    /// The connection, without what HTTP holds.
    pub(super) fn into_parts(self) -> (UpstreamStream, ConnectionPermit) {
        (self.socket.stream, self.permit)
    }

    /// The connection, to carry another protocol.
    pub(super) fn upgraded(self) -> Box<UpgradedStream> {
        Box::new(UpgradedStream {
            stream: self.socket.stream,
            read: self.socket.received.freeze(),
            permit: Some(self.permit),
        })
    }

    /// Writes as much as can be written.
    ///
    /// # Errors
    /// Those of the request's body. A write that fails is none: there may be a response.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), RequestBodyError> {
        loop {
            let gathered = match &mut self.writing {
                Writing::Nothing | Writing::Failed { .. } => return Ok(()),
                Writing::Rest => Gathered::All,
                Writing::Body(request, encoder) => gather(request, encoder, &mut self.outbox, cx)?,
            };
            if gathered == Gathered::All {
                self.writing = Writing::Rest;
            }
            match self.outbox.poll_send(&mut self.socket.stream, cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.stop_writing();
                    return Ok(());
                }
            }
            match gathered {
                Gathered::All => self.writing = Writing::Nothing,
                Gathered::Some => return Ok(()),
                Gathered::Enough => {}
            }
        }
    }

    fn stop_writing(&mut self) {
        self.is_reusable = false;
        let body = match std::mem::replace(&mut self.writing, Writing::Nothing) {
            Writing::Body(request, _) => Some(request),
            _ => None,
        };
        self.writing = Writing::Failed { _body: body };
    }
}

/// Puts as much of a body into the outbox as there is, and as it may have.
fn gather(
    request: &mut OutgoingRequest,
    encoder: &mut BodyEncoder,
    outbox: &mut Outbox,
    cx: &mut Context<'_>,
) -> Result<Gathered, RequestBodyError> {
    let body = &mut request.body;
    while outbox.len() < HTTP1_BUFFER {
        match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Pending => return Ok(Gathered::Some),
            Poll::Ready(Some(frame)) => {
                if encoder.write(frame?, outbox)? {
                    return Ok(Gathered::All);
                }
                if !body.is_end_stream() {
                    continue;
                }
            }
            Poll::Ready(None) => {}
        }
        encoder.end(outbox)?;
        return Ok(Gathered::All);
    }
    Ok(Gathered::Enough)
}

impl AwaitedHead {
    /// Reads the head of the final response, and tells of interim ones.
    fn poll(
        &mut self,
        heads: &mut HeadReader,
        socket: &mut ReceivingStream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ReceivedHead, Http1Error>> {
        loop {
            let received = &mut socket.received;
            let found = match received.is_empty() {
                true => None,
                false => heads.take(received, self.request, &mut self.space)?,
            };
            match found {
                Some(head) if head.is_interim() => {
                    self.inform(head);
                    continue;
                }
                Some(head) => return Poll::Ready(Ok(head)),
                None => {}
            }
            if ready!(socket.poll_read(cx)).map_err(Http1Error::Read)? == 0 {
                return Poll::Ready(Err(Http1Error::Incomplete));
            }
        }
    }

    /// Whether the upstream agrees to the protocol that the request asks for.
    fn is_switch(&self, head: &ReceivedHead) -> bool {
        self.may_switch && head.response.status() == StatusCode::SWITCHING_PROTOCOLS
    }

    fn inform(&self, head: ReceivedHead) {
        let (parts, ()) = head.response.into_parts();
        // HTTP/1.0 knows none (RFC 9110 15.2).
        if parts.version == Version::HTTP_11
            && let Some(exchange) = self.exchange.upgrade()
        {
            exchange.inform(parts.status, parts.headers);
        }
    }
}
