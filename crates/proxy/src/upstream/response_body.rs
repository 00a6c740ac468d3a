//! The body of an upstream's response.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep_until};

use super::lease::LeasedConnection;
use crate::clock;

/// The body of an upstream's response, with timeouts. Its connection returns to the pool when the body has ended.
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    /// Released when the body has ended without an error.
    lease: Option<LeasedConnection>,
    limit: BodyLimit,
}

/// The timeouts of a body.
pub(crate) struct BodyLimit {
    /// The longest time between two frames.
    pub(crate) idle: Duration,
    /// The deadline for all of the body.
    pub(crate) deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why a response was aborted after its head.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamBodyError {
    #[error("the upstream broke off: {0}")]
    Upstream(#[source] hyper::Error),
    #[error("the upstream reset the stream")]
    Reset,
    #[error("no more came in time")]
    Timeout,
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, lease: LeasedConnection, limit: BodyLimit) -> Self {
        let mut body = Self {
            incoming,
            lease: Some(lease),
            limit,
        };
        body.release_at_end();
        body
    }

    /// The deadline for all of the body, if any.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.limit.deadline
    }

    /// Whether more of the body may come.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.lease.is_some()
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.limit.progress();
                if frame.is_none() {
                    if self.is_reset() {
                        return Poll::Ready(Some(Err(UpstreamBodyError::Reset)));
                    }
                    self.release();
                } else {
                    self.release_at_end();
                }
                Poll::Ready(frame.map(|frame| frame.map_err(UpstreamBodyError::Upstream)))
            }
            Poll::Pending => {
                ready!(self.limit.poll(cx));
                Poll::Ready(Some(Err(UpstreamBodyError::Timeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl UpstreamBody {
    /// Whether the stream ended before the body. hyper takes RST_STREAM with NO_ERROR for the end of the body.
    fn is_reset(&self) -> bool {
        let is_stream = self.lease.as_ref().is_some_and(LeasedConnection::is_stream);
        is_stream && !self.incoming.is_end_stream()
    }

    /// Releases the connection as soon as the last byte was read: the consumer may not poll again.
    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }
}

impl BodyLimit {
    pub(crate) fn new(idle: Duration, deadline: Option<Instant>) -> Self {
        Self {
            idle,
            deadline,
            timer: None,
        }
    }

    /// When the timer fires.
    fn at(&self) -> tokio::time::Instant {
        let idle = clock::now() + self.idle;
        self.deadline
            .map_or(idle, |deadline| deadline.min(idle))
            .into()
    }

    fn progress(&mut self) {
        if self.timer.is_some() {
            let at = self.at();
            if let Some(timer) = &mut self.timer {
                timer.as_mut().reset(at);
            }
        }
    }

    /// Polls the timer, which is only created at the first wait: it costs something, and most bodies arrive with their
    /// head.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at();
        self.timer
            .get_or_insert_with(|| Box::pin(sleep_until(at)))
            .as_mut()
            .poll(cx)
    }
}
