//! The body of a client's request.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use egret_config::policy::compression::ContentCoding;
use http_body::{Body, Frame, SizeHint};

use super::Exchange;
use crate::client::discard;
use crate::policy::ext_proc::{BodyStage, SourceFrame, StageError};
use crate::transfer::{BodyCopy, BodyTee, CopyLimits, ReceiveError, ReceivedBody};

/// The body of a client's request. If it is dropped before its end, the client may still be sending; the rest is then
/// read and discarded, so that the client reads its answer.
pub(crate) struct ClientBody {
    incoming: IncomingBody,
    /// The way of it past a service, if one sees it.
    stage: Option<Box<BodyStage>>,
    /// Copies what is read, if anybody wants that.
    tee: Option<Box<BodyTee>>,
}

/// The body as it comes from the client.
struct IncomingBody {
    /// Absent once it has ended.
    body: Option<ReceivedBody>,
    exchange: Rc<Exchange>,
}

impl ClientBody {
    pub(crate) fn new(incoming: ReceivedBody, exchange: Rc<Exchange>) -> Self {
        Self {
            incoming: IncomingBody {
                body: Some(incoming),
                exchange,
            },
            stage: None,
            tee: None,
        }
    }

    /// Decompresses the body.
    pub(crate) fn decode(&mut self, coding: ContentCoding) {
        let body = self.incoming.body.take();
        self.incoming.body = body.map(|body| body.decoded(coding));
    }

    /// Gives what is read from now on to a service.
    pub(crate) fn process(&mut self, stage: Box<BodyStage>) {
        self.stage = Some(stage);
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
            stage,
            tee,
        } = &mut *self;
        let frame = ready!(match stage {
            None => incoming.poll_frame(cx),
            Some(stage) => stage
                .poll(cx, |cx| incoming.poll_source(cx))
                .map_err(|error| {
                    match error {
                        StageError::Source(error) => error,
                        StageError::Refused => ReceiveError::Refused,
                    }
                }),
        });
        if let Some(tee) = tee {
            match &frame {
                Some(Ok(frame)) => tee.passed(frame),
                None => tee.ended(),
                Some(Err(_)) => {}
            }
            let has_ended = has_ended(incoming, stage.as_deref());
            let is_whole = |frame: &Frame<Bytes>| frame.is_trailers() || has_ended;
            if matches!(&frame, Some(Ok(frame)) if is_whole(frame)) {
                tee.ended();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        has_ended(&self.incoming, self.stage.as_deref())
    }

    fn size_hint(&self) -> SizeHint {
        if self.stage.is_some() {
            return SizeHint::default();
        }
        let body = self.incoming.body.as_ref();
        body.map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Whether the last frame has been given.
fn has_ended(incoming: &IncomingBody, stage: Option<&BodyStage>) -> bool {
    match stage {
        None => incoming.has_ended(),
        Some(stage) => stage.has_ended(incoming.has_ended()),
    }
}

impl IncomingBody {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReceiveError>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        self.exchange.ask_for_body();
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        let goes_on = matches!(&frame, Some(Ok(frame)) if !frame.is_trailers());
        if !matches!(frame, Some(Err(_))) && (!goes_on || body.is_end_stream()) {
            self.exchange.progress.received_whole();
        }
        if !goes_on {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    /// The next frame, and whether it is known to be the last.
    fn poll_source(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<SourceFrame, ReceiveError>>> {
        let frame = ready!(self.poll_frame(cx));
        let is_last = self.has_ended();
        Poll::Ready(frame.map(|frame| frame.map(|frame| SourceFrame { frame, is_last })))
    }

    fn has_ended(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }
}

impl Drop for IncomingBody {
    fn drop(&mut self) {
        let rest = self.body.take();
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
