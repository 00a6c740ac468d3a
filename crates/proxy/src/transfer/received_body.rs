//! The body of a message that is received, whatever version of HTTP it comes over.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::StreamBody;

/// The body of a message that is received.
pub(crate) enum ReceivedBody {
    /// The message has no body.
    Empty,
    /// Over HTTP/1.1.
    Http1(Incoming),
    /// Over HTTP/2.
    Http2(StreamBody),
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error("{0}")]
    Http1(#[source] hyper::Error),
    #[error("{0}")]
    Http2(#[source] h2::Error),
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
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
