//! The two bodies of an exchange as they pass through: streamed, counted, bounded in time.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep_until};

use crate::clock;
use crate::message::trailers::prepare_trailers;
use crate::record::Exchange;
use crate::upstream::connection::Lease;

mod request;

pub(crate) use request::RequestBody;

/// A response body on its way to the client.
pub(crate) struct ResponseBody {
    source: Source,
    exchange: Rc<Exchange>,
}

enum Source {
    /// What the proxy says itself.
    Text(Option<Bytes>),
    /// What the upstream says.
    Upstream(Upstream),
}

struct Upstream {
    incoming: Incoming,
    /// Goes back to the pool when the body has ended well.
    lease: Option<Lease>,
    limit: Limit,
}

/// How long a body may take.
pub(crate) struct Limit {
    /// Between two frames.
    pub(crate) idle: Duration,
    /// For all of it.
    pub(crate) deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why a response was broken off after its head.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the upstream broke off: {0}")]
    Upstream(#[source] hyper::Error),
    #[error("the upstream reset the stream")]
    Reset,
    #[error("no more came in time")]
    Timeout,
}

impl ResponseBody {
    pub(crate) fn text(text: Bytes, exchange: Rc<Exchange>) -> Self {
        Self {
            source: Source::Text(Some(text).filter(|text| !text.is_empty())),
            exchange,
        }
    }

    /// Takes what the proxy says itself, if it says anything.
    pub(crate) fn take_text(&mut self) -> Option<Bytes> {
        match &mut self.source {
            Source::Text(text) => text.take(),
            Source::Upstream(_) => None,
        }
    }

    pub(crate) fn upstream(
        incoming: Incoming,
        lease: Lease,
        limit: Limit,
        exchange: Rc<Exchange>,
    ) -> Self {
        let mut upstream = Upstream {
            incoming,
            lease: Some(lease),
            limit,
        };
        upstream.release_at_end();
        Self {
            source: Source::Upstream(upstream),
            exchange,
        }
    }
}

impl Upstream {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.limit.progress();
                if frame.is_none() {
                    if self.is_reset() {
                        return Poll::Ready(Some(Err(BodyError::Reset)));
                    }
                    self.release();
                } else {
                    self.release_at_end();
                }
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Upstream)))
            }
            Poll::Pending => {
                ready!(self.limit.poll(cx));
                Poll::Ready(Some(Err(BodyError::Timeout)))
            }
        }
    }

    /// Whether the stream ended without the end of the body. hyper takes that for the end if the upstream says that it is
    /// no error.
    fn is_reset(&self) -> bool {
        let is_stream = self.lease.as_ref().is_some_and(Lease::is_stream);
        is_stream && !self.incoming.is_end_stream()
    }

    /// The consumer may stop asking once the last octet is through, so that is when the connection is given back.
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

impl Limit {
    pub(crate) fn new(idle: Duration, deadline: Option<Instant>) -> Self {
        Self {
            idle,
            deadline,
            timer: None,
        }
    }

    /// When nothing coming is too late.
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

    /// A timer costs, and most bodies come whole with their head: it starts at the first wait.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at();
        self.timer
            .get_or_insert_with(|| Box::pin(sleep_until(at)))
            .as_mut()
            .poll(cx)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.exchange.asked();
        let mut frame = match &mut self.source {
            Source::Text(text) => text.take().map(|text| Ok(Frame::data(text))),
            Source::Upstream(upstream) => ready!(upstream.poll_frame(cx)),
        };
        match &mut frame {
            Some(Ok(frame)) => {
                self.exchange.gave();
                if let Some(trailers) = frame.trailers_mut() {
                    prepare_trailers(trailers);
                }
                if let Some(data) = frame.data_ref() {
                    add(&self.exchange.response_bytes, data);
                }
            }
            Some(Err(BodyError::Upstream(_) | BodyError::Reset)) => {
                self.exchange.broken("upstream_broke_off")
            }
            Some(Err(BodyError::Timeout)) => self.exchange.broken("response_body_timeout"),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Text(text) => text.is_none(),
            Source::Upstream(upstream) => upstream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Source::Upstream(upstream) => upstream.incoming.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.exchange.answered();
        if let Source::Upstream(upstream) = &self.source
            && upstream.lease.is_some()
        {
            self.exchange.left();
        }
    }
}

fn add(count: &std::cell::Cell<u64>, data: &Bytes) {
    count.set(count.get() + data.len() as u64);
}
