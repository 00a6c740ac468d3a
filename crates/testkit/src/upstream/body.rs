//! Bodies that are made while they are sent, and those that end badly.

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

/// The trailer field of [`End::Trailers`].
pub(super) const TRAILER: HeaderName = HeaderName::from_static("x-checked");

/// A body of pattern bytes.
#[derive(Debug)]
pub(super) struct Generated {
    left: u64,
    /// What the head promises; `None` sends it in chunks.
    promised: Option<u64>,
    end: End,
}

/// What comes after the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Finish,
    Trailers,
    Stall,
    /// Lets the connection flush what it has, then closes it.
    Flush,
    Abort,
}

impl Generated {
    pub(super) fn boxed(bytes: u64, promised: Option<u64>, end: End) -> BoxBody {
        let body = Self {
            left: bytes,
            promised,
            end,
        };
        body.boxed_unsync()
    }
}

impl Body for Generated {
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
            End::Finish => Poll::Ready(None),
            End::Trailers => {
                self.end = End::Finish;
                let mut trailers = HeaderMap::new();
                trailers.insert(TRAILER, HeaderValue::from_static("yes"));
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            End::Stall => Poll::Pending,
            End::Flush => {
                self.end = End::Abort;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            End::Abort => {
                self.end = End::Finish;
                Poll::Ready(Some(Err(io::Error::other("cut short as asked"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.end == End::Finish
    }

    fn size_hint(&self) -> SizeHint {
        self.promised
            .map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
