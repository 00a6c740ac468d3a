//! Response bodies that are generated while they are sent, with normal and abnormal ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};

use crate::pattern;

pub(super) type BoxBody = UnsyncBoxBody<Bytes, io::Error>;

/// The trailer field of [`BodyEnd::Trailers`].
pub(super) const TRAILER: HeaderName = HeaderName::from_static("x-checked");

/// A body of [`pattern`] bytes.
#[derive(Debug)]
pub(super) struct GeneratedBody {
    left: u64,
    /// The length that the head announces. `None` sends the body chunked.
    promised: Option<u64>,
    end: BodyEnd,
}

/// What follows the bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyEnd {
    Finish,
    Trailers,
    Stall,
    /// Lets the connection flush its buffer, then aborts.
    Flush,
    Abort,
}

impl GeneratedBody {
    pub(super) fn boxed(bytes: u64, promised: Option<u64>, end: BodyEnd) -> BoxBody {
        let body = Self {
            left: bytes,
            promised,
            end,
        };
        body.boxed_unsync()
    }
}

impl Body for GeneratedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left > 0 {
            let chunk = pattern::chunk(self.left);
            self.left -= chunk.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match self.end {
            BodyEnd::Finish => Poll::Ready(None),
            BodyEnd::Trailers => {
                self.end = BodyEnd::Finish;
                let mut trailers = HeaderMap::new();
                trailers.insert(TRAILER, HeaderValue::from_static("yes"));
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            BodyEnd::Stall => Poll::Pending,
            BodyEnd::Flush => {
                self.end = BodyEnd::Abort;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            BodyEnd::Abort => {
                self.end = BodyEnd::Finish;
                Poll::Ready(Some(Err(io::Error::other("cut short as asked"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.end == BodyEnd::Finish
    }

    fn size_hint(&self) -> SizeHint {
        self.promised
            .map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
