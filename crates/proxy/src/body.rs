//! The two bodies of an exchange as they pass through: streamed, counted, bounded in time.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::exchange::Exchange;
use crate::message::trailers::prepare_trailers;
use crate::record::ExchangeEnd;
use crate::upstream::{UpstreamBody, UpstreamBodyError};

/// A response body on its way to the client.
pub(crate) struct ResponseBody {
    source: Source,
    exchange: Rc<Exchange>,
}

enum Source {
    /// What the proxy says itself.
    Text(Option<Bytes>),
    /// What the upstream says.
    Upstream(UpstreamBody),
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

    pub(crate) fn upstream(body: UpstreamBody, exchange: Rc<Exchange>) -> Self {
        Self {
            source: Source::Upstream(body),
            exchange,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = UpstreamBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        self.exchange.frame_polled();
        let mut frame = match &mut self.source {
            Source::Text(text) => text.take().map(|text| Ok(Frame::data(text))),
            Source::Upstream(upstream) => ready!(Pin::new(upstream).poll_frame(cx)),
        };
        match &mut frame {
            Some(Ok(frame)) => {
                self.exchange.frame_ready();
                if let Some(trailers) = frame.trailers_mut() {
                    prepare_trailers(trailers);
                }
                if let Some(data) = frame.data_ref() {
                    self.exchange.progress().sent(data.len());
                }
            }
            Some(Err(UpstreamBodyError::Upstream(_) | UpstreamBodyError::Reset)) => {
                self.exchange.broken_off(ExchangeEnd::UpstreamBrokeOff);
            }
            Some(Err(UpstreamBodyError::Timeout)) => {
                self.exchange.broken_off(ExchangeEnd::ResponseBodyTimeout);
            }
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Text(text) => text.is_none(),
            Source::Upstream(upstream) => upstream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Source::Upstream(upstream) => upstream.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.exchange.progress().answered();
        if let Source::Upstream(upstream) = &self.source
            && upstream.is_unfinished()
        {
            self.exchange.body_dropped();
        }
    }
}
