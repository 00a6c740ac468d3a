//! The body of an upstream's response.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Sleep, sleep_until, timeout};

use super::incoming::{IncomingBody, IncomingError};
use super::lease::LeasedConnection;
use crate::clock;
use crate::task;

/// The body of an upstream's response, with timeouts. Its connection returns to the pool when the body has ended.
///
/// That it has ended shows in one of several ways: there are no more frames, the frame was one of trailers, the library
/// knows of the end, or all bytes of its length have come. Whoever sends it on may take any of them for the end.
///
/// It is boxed, because a response passes through many functions, each of which would move it.
pub(crate) struct UpstreamBody(Box<BodyParts>);

struct BodyParts {
    /// Absent once the body is dropped.
    incoming: Option<IncomingBody>,
    /// Released when the body has ended without an error.
    lease: Option<LeasedConnection>,
    limit: BodyLimit,
    /// Whether the response has no content whatever its length field says (RFC 9110 6.4.1).
    is_bodiless: bool,
}

/// How long a stream whose bytes have all come may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(1);

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
    Upstream(#[source] IncomingError),
    #[error("no more came in time")]
    Timeout,
    #[error("the body could not be compressed: {0}")]
    Coding(#[source] io::Error),
    #[error("the service that the body passes refuses it")]
    Refused,
}

impl UpstreamBody {
    pub(super) fn new(incoming: IncomingBody, lease: LeasedConnection, limit: BodyLimit) -> Self {
        let mut body = Self(Box::new(BodyParts {
            incoming: Some(incoming),
            lease: Some(lease),
            limit,
            is_bodiless: false,
        }));
        body.release_at_end();
        body
    }

    /// The deadline for all of the body, if any.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.limit.deadline
    }

    /// Whether more of the body may come.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.0.lease.is_some() && !self.is_whole()
    }

    /// All of the body, if it is no longer than this and comes in time. Its connection is free then, and closed if not.
    pub(crate) async fn read_short(self, most: usize, within: Duration) -> Option<Bytes> {
        if self.0.is_bodiless {
            return Some(Bytes::new());
        }
        let mut body = pin!(self);
        let read = async {
            let mut data = BytesMut::new();
            while let Some(frame) = body.frame().await {
                if let Ok(more) = frame.ok()?.into_data() {
                    if data.len() + more.len() > most {
                        return None;
                    }
                    data.extend_from_slice(&more);
                }
            }
            Some(data.freeze())
        };
        timeout(within, read).await.ok().flatten()
    }

    /// Records that the response has no content, because of its status or because it answers a HEAD.
    pub(crate) fn set_bodiless(&mut self) {
        self.0.is_bodiless = true;
    }
}

impl BodyParts {
    /// The next frame as it comes.
    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, IncomingError>>> {
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        match self.0.poll_incoming(cx) {
            Poll::Ready(frame) => {
                self.0.limit.progress();
                match &frame {
                    None => self.release(),
                    // The consumer may not poll again after the trailers.
                    Some(Ok(frame)) if frame.is_trailers() => self.release(),
                    Some(_) => self.release_at_end(),
                }
                Poll::Ready(frame.map(|frame| frame.map_err(UpstreamBodyError::Upstream)))
            }
            Poll::Pending => {
                ready!(self.0.limit.poll(cx));
                Poll::Ready(Some(Err(UpstreamBodyError::Timeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let incoming = self.0.incoming.as_ref();
        incoming.map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl UpstreamBody {
    /// Whether all bytes have come, although the stream may not have ended yet.
    fn is_whole(&self) -> bool {
        let left = || {
            self.0
                .incoming
                .as_ref()
                .and_then(|it| it.size_hint().exact())
        };
        self.0.is_bodiless || left() == Some(0)
    }

    /// Releases the connection as soon as the last byte was read: the consumer may not poll again.
    fn release_at_end(&mut self) {
        if self.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(lease) = self.0.lease.take() {
            lease.release();
        }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        if self.0.lease.is_some()
            && self.is_whole()
            && let (Some(incoming), Some(lease)) = (self.0.incoming.take(), self.0.lease.take())
        {
            read_end(incoming, lease);
        }
    }
}

/// Waits for the end of a stream whose bytes have all come. Dropping it before would reset it.
fn read_end(mut incoming: IncomingBody, lease: LeasedConnection) {
    task::spawn(async move {
        let end = async { while let Some(Ok(_)) = incoming.frame().await {} };
        if timeout(END_TIMEOUT, end).await.is_ok() {
            drop(incoming);
            lease.release();
        }
    });
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
