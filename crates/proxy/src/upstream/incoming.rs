//! The body of a response as it comes off the connection, whatever version of HTTP it comes over.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::http1::{Http1Body, Http1Error};
use crate::transfer::StreamBody;

/// The body of a response as it comes.
pub(super) enum IncomingBody {
    /// The response has none.
    Empty,
    /// Over HTTP/1.1.
    Http1(Http1Body),
    /// Over HTTP/2.
    Http2(StreamBody),
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IncomingError {
    #[error("{0}")]
    Http1(#[source] Http1Error),
    #[error("{0}")]
    Http2(#[source] h2::Error),
}

impl From<Option<Http1Body>> for IncomingBody {
    fn from(body: Option<Http1Body>) -> Self {
        body.map_or(Self::Empty, Self::Http1)
    }
}

impl Body for IncomingBody {
    type Data = Bytes;
    type Error = IncomingError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, IncomingError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Http1(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map_err(IncomingError::Http1)
            }
            Self::Http2(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map_err(IncomingError::Http2)
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
