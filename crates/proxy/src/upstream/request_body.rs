//! The body of a request to an upstream, which is buffered if it may have to be replayed.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use egret_config::policy::compression::ContentCoding;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep_until};

use crate::clock;
use crate::exchange::{BodyConsent, ClientBody, Exchange, Progress};
use crate::message::trailers::prepare_trailers;
use crate::policy::ext_proc::BodyStage;
use crate::transfer::{
    BodyCopy, CopyError, CopyLimits, MessageBody, ReceiveError, ReceivedBody, gather,
};

mod beginning;
mod whole;

pub(crate) use beginning::BodyBeginning;
pub(crate) use whole::WholeBodyFault;

/// How long the upstream has to say whether it wants the body of a client that waits for that (RFC 9110 10.1.1). Then the
/// client is asked for it.
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// The body of a request to an upstream.
pub(crate) struct RequestBody {
    source: BodySource,
    /// The exchange of the client; `None` if the gateway itself sends the request.
    exchange: Option<Rc<Exchange>>,
    /// The progress of a copy of a request; `None` for all others.
    copied: Option<Rc<Progress>>,
    /// Fires when a client that has its answer has been silent for too long, or when the upstream has not said in time that
    /// it wants the body.
    timer: Option<Pin<Box<Sleep>>>,
}

enum BodySource {
    /// No body.
    Empty,
    /// A body of the gateway's own, until it is sent.
    Own(Option<Bytes>),
    /// Messages of the gateway's own, as they are made.
    Messages(MessageBody),
    /// A client's body, forwarded once.
    Once(ClientBody),
    /// A client's body, forwarded and buffered.
    Replayed(ReplayReader),
    /// A copy of a client's body.
    Copied(BodyCopy),
}

/// One replay of a buffered body.
struct ReplayReader {
    kept: Rc<RefCell<ReplayBuffer>>,
    /// The number of frames sent.
    at: usize,
    number: u32,
}

/// The buffered part of a body.
struct ReplayBuffer {
    incoming: ClientBody,
    frames: Vec<BodyFrame>,
    /// Bytes that may still be buffered; `None` when there were too many, and nothing is buffered any more.
    room: Option<usize>,
    /// The reader that owns the body. Earlier readers fail.
    reader: u32,
}

#[derive(Clone)]
enum BodyFrame {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestBodyError {
    #[error("the client broke off: {0}")]
    Client(#[source] ReceiveError),
    #[error("the client has its answer, and sends no more")]
    Stalled,
    #[error("the request is being sent again elsewhere")]
    SentAgain,
    #[error("the copy is not whole: {0}")]
    Copy(#[source] CopyError),
    #[error("it is not as long as its head says")]
    Length,
}

impl RequestBody {
    /// Builds the body of a client's request.
    pub(crate) fn of_client(incoming: ReceivedBody, exchange: Rc<Exchange>) -> Self {
        let source = if incoming.is_end_stream() {
            exchange.progress().received_whole();
            BodySource::Empty
        } else {
            BodySource::Once(ClientBody::new(incoming, Rc::clone(&exchange)))
        };
        Self {
            source,
            exchange: Some(exchange),
            copied: None,
            timer: None,
        }
    }

    /// Builds the body of a request of the gateway's own.
    pub(crate) fn own(body: Bytes) -> Self {
        Self {
            source: if body.is_empty() {
                BodySource::Empty
            } else {
                BodySource::Own(Some(body))
            },
            exchange: None,
            copied: None,
            timer: None,
        }
    }

    /// Builds the body of a request of the gateway's own that is made while it is sent.
    pub(crate) fn of_messages(messages: MessageBody) -> Self {
        Self {
            source: BodySource::Messages(messages),
            exchange: None,
            copied: None,
            timer: None,
        }
    }

    /// The exchange of the client; `None` if the gateway itself sends the request.
    pub(super) fn exchange(&self) -> Option<&Rc<Exchange>> {
        self.exchange.as_ref()
    }

    fn progress(&self) -> Option<&Progress> {
        let of_client = self.exchange.as_deref().map(Exchange::progress);
        of_client.or(self.copied.as_deref())
    }

    /// A copy of the body, with what was read ahead, for another request of this progress. Whatever becomes of it, this one is not
    /// delayed.
    pub(crate) fn copied(&mut self, progress: Rc<Progress>, limits: &CopyLimits) -> Self {
        let source = match &mut self.source {
            BodySource::Empty => BodySource::Empty,
            BodySource::Own(body) => BodySource::Own(body.clone()),
            BodySource::Once(incoming) => BodySource::Copied(incoming.copy(limits)),
            BodySource::Replayed(reader) => {
                BodySource::Copied(reader.kept.borrow_mut().copy(limits))
            }
            BodySource::Messages(_) | BodySource::Copied(_) => {
                unreachable!("only a client's body is copied")
            }
        };
        Self {
            source,
            exchange: None,
            copied: Some(progress),
            timer: None,
        }
    }

    /// Decompresses a body of which nothing was read.
    pub(crate) fn decode(&mut self, coding: ContentCoding) {
        if let BodySource::Once(incoming) = &mut self.source {
            incoming.decode(coding);
        }
    }

    /// Gives a body of which nothing was sent to a service, with what was read of it ahead. What it makes of that is what is
    /// sent, buffered and copied.
    pub(crate) fn process(&mut self, mut stage: Box<BodyStage>) {
        match &mut self.source {
            BodySource::Once(incoming) => incoming.process(stage),
            BodySource::Replayed(reader) => {
                let mut kept = reader.kept.borrow_mut();
                stage.read_ahead(kept.frames.drain(..).map(Frame::from));
                kept.incoming.process(stage);
                // Nothing is buffered, and anything may be from now on.
                kept.room = Some(0);
                reader.at = 0;
            }
            BodySource::Empty
            | BodySource::Own(_)
            | BodySource::Messages(_)
            | BodySource::Copied(_) => {}
        }
    }

    /// Buffers up to `limit` bytes of the body from now on, so that it can be replayed. What is buffered already stays so.
    pub(crate) fn keep(&mut self, limit: usize) {
        self.source = match std::mem::replace(&mut self.source, BodySource::Empty) {
            BodySource::Once(incoming) => {
                let kept = ReplayBuffer {
                    incoming,
                    frames: Vec::new(),
                    room: Some(limit),
                    reader: 0,
                };
                BodySource::Replayed(ReplayReader {
                    kept: Rc::new(RefCell::new(kept)),
                    at: 0,
                    number: 0,
                })
            }
            BodySource::Replayed(reader) => {
                reader.kept.borrow_mut().make_room(limit);
                BodySource::Replayed(reader)
            }
            other => other,
        };
    }

    /// A second copy of the body, if there is none or it is buffered. It has to [claim](Self::claim) the body before it
    /// is sent.
    pub(crate) fn replay_copy(&self) -> Option<Self> {
        let source = match &self.source {
            BodySource::Empty => BodySource::Empty,
            BodySource::Own(body) => BodySource::Own(body.clone()),
            BodySource::Messages(messages) => BodySource::Messages(messages.again()?),
            BodySource::Once(_) | BodySource::Copied(_) => return None,
            BodySource::Replayed(reader) => BodySource::Replayed(ReplayReader {
                kept: Rc::clone(&reader.kept),
                at: 0,
                number: reader.number + 1,
            }),
        };
        Some(Self {
            source,
            exchange: self.exchange.clone(),
            copied: self.copied.clone(),
            timer: None,
        })
    }

    /// Ready when a client that has its answer has sent nothing for too long. Until the answer, the task that waits for
    /// it checks that.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(progress) = self.exchange.as_deref().map(Exchange::progress) else {
            return Poll::Pending;
        };
        ready!(progress.poll_answered(cx));
        let end = clock::now() + progress.idle_timeout();
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(end.into())));
        timer.as_mut().poll(cx)
    }

    /// Ready when the client may send its body: at once, unless it waits for the upstream's word.
    ///
    /// # Errors
    /// [`RequestBodyError::Stalled`] if the client has a final response instead.
    fn poll_consent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RequestBodyError>> {
        let Some(progress) = self.exchange.as_deref().map(Exchange::progress) else {
            return Poll::Ready(Ok(()));
        };
        match progress.body_consent() {
            BodyConsent::Given => return Poll::Ready(Ok(())),
            BodyConsent::Withheld => return Poll::Ready(Err(RequestBodyError::Stalled)),
            BodyConsent::Awaited => {}
        }
        if progress.poll_answered(cx).is_ready() {
            return Poll::Ready(Err(RequestBodyError::Stalled));
        }
        let end = clock::now() + CONTINUE_TIMEOUT;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(end.into())));
        timer.as_mut().poll(cx).map(Ok)
    }

    /// Nothing, in place of this body.
    pub(crate) fn emptied(&self) -> Self {
        Self {
            source: BodySource::Empty,
            exchange: self.exchange.clone(),
            copied: self.copied.clone(),
            timer: None,
        }
    }

    /// Whether the body can be sent from its beginning, now that some of it may have been sent.
    pub(crate) fn is_replayable(&self) -> bool {
        match &self.source {
            BodySource::Empty => true,
            BodySource::Own(body) => body.is_some(),
            BodySource::Once(_) | BodySource::Copied(_) | BodySource::Messages(_) => false,
            BodySource::Replayed(reader) => reader.kept.borrow().room.is_some(),
        }
    }

    /// Takes over the body, which is then sent from its beginning. Returns false if the beginning is not buffered any
    /// more.
    pub(crate) fn claim(&mut self) -> bool {
        let reader = match &mut self.source {
            BodySource::Replayed(reader) => reader,
            BodySource::Messages(messages) => return messages.claim(),
            _ => return true,
        };
        let mut kept = reader.kept.borrow_mut();
        kept.reader += 1;
        reader.number = kept.reader;
        kept.room.is_some()
    }
}

impl ReplayReader {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let mut kept = self.kept.borrow_mut();
        if kept.reader != self.number {
            return Poll::Ready(Some(Err(RequestBodyError::SentAgain)));
        }
        if let Some(piece) = kept.frames.get(self.at) {
            self.at += 1;
            return Poll::Ready(Some(Ok(piece.clone().into())));
        }
        let frame = ready!(Pin::new(&mut kept.incoming).poll_frame(cx));
        if Rc::strong_count(&self.kept) == 1 {
            // There is no other reader left.
            kept.room = None;
            kept.frames = Vec::new();
        }
        if let Some(Ok(frame)) = &frame {
            kept.keep(frame);
            self.at = kept.frames.len();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(RequestBodyError::Client)))
    }

    fn is_at_end(&self) -> bool {
        let kept = self.kept.borrow();
        self.at == kept.frames.len() && kept.incoming.is_end_stream()
    }
}

impl ReplayBuffer {
    /// The bytes that are buffered.
    fn held(&self) -> usize {
        let lengths = self.frames.iter().map(|frame| match frame {
            BodyFrame::Data(data) => data.len(),
            BodyFrame::Trailers(_) => 0,
        });
        lengths.sum()
    }

    /// Lets so many bytes be buffered, with those that are.
    fn make_room(&mut self, limit: usize) {
        let held = self.held();
        let room = self.room.as_mut();
        if let Some(room) = room {
            *room = (*room).max(limit.saturating_sub(held));
        }
    }

    /// A copy of the body from its beginning, which is still buffered.
    fn copy(&mut self, limits: &CopyLimits) -> BodyCopy {
        let copy = self.incoming.copy(limits);
        for frame in &self.frames {
            copy.passed(&frame.clone().into());
        }
        if self.incoming.is_end_stream() {
            copy.ended();
        }
        copy
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(room) = self.room else { return };
        let size = frame.data_ref().map_or(0, Bytes::len);
        self.room = room.checked_sub(size);
        if self.room.is_none() {
            self.frames = Vec::new();
            return;
        }
        let apart = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => {
                let last = match self.frames.last_mut() {
                    Some(BodyFrame::Data(last)) => Some(last),
                    Some(BodyFrame::Trailers(_)) | None => None,
                };
                gather(last, data).map(BodyFrame::Data)
            }
            (None, Some(trailers)) => Some(BodyFrame::Trailers(trailers.clone())),
            (None, None) => None,
        };
        self.frames.extend(apart);
    }
}

impl From<BodyFrame> for Frame<Bytes> {
    fn from(piece: BodyFrame) -> Self {
        match piece {
            BodyFrame::Data(data) => Self::data(data),
            BodyFrame::Trailers(trailers) => Self::trailers(trailers),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        if let Err(error) = ready!(self.poll_consent(cx)) {
            return Poll::Ready(Some(Err(error)));
        }
        let mut frame = match &mut self.source {
            BodySource::Empty => return Poll::Ready(None),
            BodySource::Own(body) => {
                return Poll::Ready(body.take().map(|body| Ok(Frame::data(body))));
            }
            BodySource::Messages(messages) => {
                return messages
                    .poll_next(cx)
                    .map(|piece| piece.map(|piece| Ok(Frame::data(piece))));
            }
            BodySource::Once(incoming) => Pin::new(incoming)
                .poll_frame(cx)
                .map_err(RequestBodyError::Client),
            BodySource::Replayed(reader) => reader.poll(cx),
            BodySource::Copied(copy) => copy.poll_frame(cx).map_err(RequestBodyError::Copy),
        };
        if let Some(progress) = self.progress() {
            progress.set_waits_for_client(frame.is_pending());
        }
        if frame.is_ready() {
            self.timer = None;
        } else if self.poll_stalled(cx).is_ready() {
            frame = Poll::Ready(Some(Err(RequestBodyError::Stalled)));
        }
        if let Poll::Ready(Some(Ok(frame))) = &mut frame {
            if let Some(data) = frame.data_ref() {
                if let Some(progress) = self.progress() {
                    progress.forwarded(data.len());
                }
            } else if let Some(trailers) = frame.trailers_mut() {
                prepare_trailers(trailers);
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            BodySource::Empty => true,
            BodySource::Own(body) => body.is_none(),
            BodySource::Messages(messages) => messages.has_ended(),
            BodySource::Once(incoming) => incoming.is_end_stream(),
            BodySource::Replayed(reader) => reader.is_at_end(),
            BodySource::Copied(copy) => copy.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            BodySource::Empty => SizeHint::with_exact(0),
            BodySource::Own(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            BodySource::Once(incoming) => incoming.size_hint(),
            // The head tells the length; part of the buffer may have been sent already.
            BodySource::Messages(_) | BodySource::Replayed(_) | BodySource::Copied(_) => {
                SizeHint::default()
            }
        }
    }
}
