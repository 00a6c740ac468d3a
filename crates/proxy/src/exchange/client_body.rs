//! The body of a client's request.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use egret_config::policy::compression::ContentCoding;
use http_body::{Body, Frame, SizeHint};

use super::Exchange;
use crate::client::discard;
use crate::transfer::{BodyCopy, BodyTee, CopyLimits, ReceiveError, ReceivedBody};

/// The body of a client's request. If it is dropped before its end, the client may still be sending; the rest is then
/// read and discarded, so that the client reads its answer.
pub(crate) struct ClientBody {
    /// Absent once it has ended.
    incoming: Option<ReceivedBody>,
    exchange: Rc<Exchange>,
    /// Copies what is read, if anybody wants that.
    tee: Option<Box<BodyTee>>,
}

impl ClientBody {
    pub(crate) fn new(incoming: ReceivedBody, exchange: Rc<Exchange>) -> Self {
        Self {
            incoming: Some(incoming),
            exchange,
            tee: None,
        }
    }

    /// Decompresses the body.
    pub(crate) fn decode(&mut self, coding: ContentCoding) {
        self.incoming = self.incoming.take().map(|body| body.decoded(coding));
    }

    /// A copy of what is read from now on.
    pub(crate) fn copy(&mut self, limits: &CopyLimits) -> BodyCopy {
        self.tee.get_or_insert_default().copy(limits)
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = ReceiveError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReceiveError>>> {
        let Self {
            incoming,
            exchange,
            tee,
        } = &mut *self;
        let Some(incoming) = incoming else {
            return Poll::Ready(None);
        };
        exchange.ask_for_body();
        let frame = ready!(Pin::new(&mut *incoming).poll_frame(cx));
        if let Some(tee) = tee {
            match &frame {
                Some(Ok(frame)) => tee.passed(frame),
                None => tee.ended(),
                Some(Err(_)) => {}
            }
            let is_whole = |frame: &Frame<Bytes>| frame.is_trailers() || incoming.is_end_stream();
            if matches!(&frame, Some(Ok(frame)) if is_whole(frame)) {
                tee.ended();
            }
        }
        let goes_on = matches!(&frame, Some(Ok(frame)) if !frame.is_trailers());
        if !matches!(frame, Some(Err(_))) && (!goes_on || incoming.is_end_stream()) {
            exchange.progress.received_whole();
        }
        if !goes_on {
            self.incoming = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let incoming = self.incoming.as_ref();
        incoming.map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        let rest = self.incoming.take();
        if let Some(rest) = rest.filter(|rest| !rest.is_end_stream()) {
            let connection = &self.exchange.connection;
            if self.exchange.progress.is_body_unasked() {
                // The client does not send the body unless it is asked to, so that its next bytes could be anything.
                connection.take_no_more();
            }
            discard::read_on(rest.into_raw(), Rc::clone(connection));
        }
    }
}
