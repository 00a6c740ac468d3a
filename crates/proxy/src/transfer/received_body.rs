//! The body of a message that is received, whatever version of HTTP it comes over.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use egret_config::policy::compression::ContentCoding;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::StreamBody;
use super::coding::BodyDecoder;

/// The body of a message that is received.
pub(crate) enum ReceivedBody {
    /// The message has no body.
    Empty,
    /// Over HTTP/1.1.
    Http1(Incoming),
    /// Over HTTP/2.
    Http2(StreamBody),
    /// Decompressed.
    Decoded(Box<DecodedBody>),
}

/// A body that is decompressed while it is read.
pub(crate) struct DecodedBody {
    incoming: ReceivedBody,
    decoder: BodyDecoder,
    has_ended: bool,
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error("{0}")]
    Http1(#[source] hyper::Error),
    #[error("{0}")]
    Http2(#[source] h2::Error),
    #[error("the content is not in its coding: {0}")]
    Coding(#[source] io::Error),
    #[error("the service that it passes refuses it")]
    Refused,
}

impl ReceivedBody {
    /// Decompresses the body.
    pub(crate) fn decoded(self, coding: ContentCoding) -> Self {
        Self::Decoded(Box::new(DecodedBody {
            incoming: self,
            decoder: BodyDecoder::new(coding),
            has_ended: false,
        }))
    }

    /// The body as it comes, of which the rest is of no use.
    pub(crate) fn into_raw(self) -> Self {
        match self {
            Self::Decoded(body) => body.incoming.into_raw(),
            raw => raw,
        }
    }
}

impl DecodedBody {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReceiveError>>> {
        loop {
            match self.decoder.next().map_err(ReceiveError::Coding) {
                Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            let frame = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.end().err().map(Err)),
            };
            match frame.into_data() {
                Ok(data) => self.decoder.give(data),
                Err(trailers) => {
                    return Poll::Ready(Some(self.end().map(|()| trailers)));
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), ReceiveError> {
        self.has_ended = true;
        if self.decoder.may_end() {
            Ok(())
        } else {
            Err(ReceiveError::Coding(io::ErrorKind::UnexpectedEof.into()))
        }
    }
}

impl Body for ReceivedBody {
    type Data = Bytes;
    type Error = ReceiveError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReceiveError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Http1(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map_err(ReceiveError::Http1)
            }
            Self::Http2(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map_err(ReceiveError::Http2)
            }
            Self::Decoded(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
            Self::Decoded(body) => body.has_ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
            Self::Decoded(_) => SizeHint::default(),
        }
    }
}
