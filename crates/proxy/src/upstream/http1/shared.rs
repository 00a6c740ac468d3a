//! A connection as its task, the request on it and the body of the response share it. All of them are on one worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http::Response;

use super::body::Http1Body;
use super::error::{FailedRequest, Http1Error};
use super::response_framing::{BodyDecoder, Decoded};
use super::response_head::ReceivedHead;
use super::wire::{NextRequest, Wire, WireEvent};
use crate::upstream::connection_permit::ConnectionPermit;
use crate::upstream::stream::UpstreamStream;
use crate::upstream::upgraded::UpgradedStream;

/// A connection, for everybody who has to do with it.
///
/// Its task writes requests and reads the heads of responses: the requests that a worker has got ready leave in one burst, and
/// the heads that have come are passed on in one. Bodies are read by whoever has them.
pub(in crate::upstream) struct SharedWire {
    /// `None` once it is closed or taken apart.
    wire: RefCell<Option<Wire>>,
    next: Cell<Option<NextRequest>>,
    answer: Cell<Option<Result<Http1Answer, FailedRequest>>>,
    /// The task of the connection.
    task: WakerSlot,
    /// Who waits for the head, the body, or the end of the request.
    waiter: WakerSlot,
    /// Whether the connection is of no use to anybody any more.
    is_abandoned: Cell<bool>,
}

/// The head of a response.
pub(in crate::upstream) struct Http1Answer {
    pub(in crate::upstream) response: Response<Option<Http1Body>>,
    /// The connection, if it carries another protocol now.
    pub(in crate::upstream) switched: Option<Box<UpgradedStream>>,
}

/// The waker of a task, which most often is the same as before.
#[derive(Default)]
struct WakerSlot(RefCell<Option<Waker>>);

impl WakerSlot {
    fn register(&self, cx: &Context<'_>) {
        let mut known = self.0.borrow_mut();
        if !known.as_ref().is_some_and(|it| it.will_wake(cx.waker())) {
            *known = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.0.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl SharedWire {
    pub(super) fn new(wire: Wire) -> Rc<Self> {
        Rc::new(Self {
            wire: RefCell::new(Some(wire)),
            next: Cell::default(),
            answer: Cell::default(),
            task: WakerSlot::default(),
            waiter: WakerSlot::default(),
            is_abandoned: Cell::default(),
        })
    }

    /// Whether it takes no more requests.
    pub(in crate::upstream) fn is_closed(&self) -> bool {
        self.is_abandoned.get() || self.wire.borrow().is_none()
    }

    /// Whether the connection can take a request.
    pub(in crate::upstream) fn is_ready(&self) -> bool {
        let wire = self.wire.borrow();
        wire.as_ref().is_some_and(Wire::is_idle)
    }

    /// Whether an idle connection is closed, or has been by the upstream.
    pub(in crate::upstream) fn is_over(&self) -> bool {
        let mut wire = self.wire.borrow_mut();
        wire.as_mut().is_none_or(Wire::is_over)
    }

    /// Ready when the connection can take a request (true) or is closed (false).
    pub(in crate::upstream) fn poll_ready(&self, cx: &Context<'_>) -> Poll<bool> {
        if self.is_closed() || self.is_ready() {
            return Poll::Ready(!self.is_closed());
        }
        self.waiter.register(cx);
        Poll::Pending
    }

    /// Hands over a request. The connection must be idle.
    pub(in crate::upstream) fn send(&self, next: NextRequest) {
        self.next.set(Some(next));
        self.task.wake();
    }

    /// The head of the response to the request that was handed over.
    pub(in crate::upstream) fn poll_answer(
        &self,
        cx: &Context<'_>,
    ) -> Poll<Result<Http1Answer, FailedRequest>> {
        if let Some(answer) = self.answer.take() {
            return Poll::Ready(answer);
        }
        if self.is_closed() {
            return Poll::Ready(Err(FailedRequest {
                error: Http1Error::Incomplete,
                unsent: self.next.take().map(|next| next.request),
            }));
        }
        self.waiter.register(cx);
        Poll::Pending
    }

    /// Does the work of the connection's task. Ready when there is none any more.
    pub(super) fn poll_task(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.task.register(cx);
        let mut slot = self.wire.borrow_mut();
        let Some(wire) = slot.as_mut() else {
            return Poll::Ready(());
        };
        if self.is_abandoned.get() {
            if wire.is_idle() {
                wire.say_end(cx);
            }
            *slot = None;
            return Poll::Ready(());
        }
        if let Some(next) = self.next.take() {
            if wire.is_over() {
                *slot = None;
                self.next.set(Some(next));
                self.waiter.wake();
                return Poll::Ready(());
            }
            wire.begin(next);
        }
        let read = match wire.poll(cx) {
            Poll::Ready(read) => read,
            Poll::Pending => {
                if wire.is_idle() {
                    // This may have been the rest of a request that was answered before.
                    self.waiter.wake();
                }
                return Poll::Pending;
            }
        };
        let answer = match read {
            Ok(WireEvent::Head(head)) => Ok(self.answer_with(head, &mut slot)),
            Ok(WireEvent::Switch(head)) => Ok(Http1Answer {
                response: head.response.map(|()| None),
                switched: slot.take().map(Wire::upgraded),
            }),
            Err(error) => {
                *slot = None;
                Err(error.into())
            }
        };
        self.answer.set(Some(answer));
        self.waiter.wake();
        if slot.is_none() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn answer_with(self: &Rc<Self>, head: ReceivedHead, slot: &mut Option<Wire>) -> Http1Answer {
        let body = if head.body.has_ended() {
            Self::end_response(slot);
            None
        } else {
            Some(Http1Body::new(Rc::clone(self), head.body))
        };
        Http1Answer {
            response: head.response.map(|()| body),
            switched: None,
        }
    }

    /// The response is over: closes the connection unless it can be used again.
    fn end_response(slot: &mut Option<Wire>) {
        if let Some(wire) = slot
            && !wire.response_ended()
        {
            *slot = None;
        }
    }

    /// Reads on in the body of a response.
    ///
    /// # Errors
    /// If the body is broken off or malformed, which closes the connection.
    pub(super) fn poll_body(
        &self,
        decoder: &mut BodyDecoder,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Decoded, Http1Error>> {
        let mut slot = self.wire.borrow_mut();
        let Some(wire) = slot.as_mut() else {
            return Poll::Ready(Err(Http1Error::Incomplete));
        };
        let Poll::Ready(read) = wire.poll_body(decoder, cx) else {
            // The rest of the request may fail meanwhile.
            self.waiter.register(cx);
            return Poll::Pending;
        };
        if read.is_err() {
            *slot = None;
        } else if decoder.has_ended() {
            Self::end_response(&mut slot);
        }
        if slot.is_none() {
            // There is nothing left for the task to do.
            self.task.wake();
        }
        Poll::Ready(read)
    }

    /// Closes the connection, whatever is on it.
    pub(in crate::upstream) fn abandon(&self) {
        self.is_abandoned.set(true);
        self.task.wake();
    }

    /// The parts of an idle connection. `None` if it is closed, or something came that no request asked for.
    pub(super) fn take_apart(&self) -> Option<(UpstreamStream, ConnectionPermit)> {
        let mut wire = self.wire.take()?;
        self.task.wake();
        if wire.is_over() {
            return None;
        }
        Some(wire.into_parts())
    }

    /// The task has ended, whatever the reason.
    pub(super) fn task_ended(&self) {
        self.wire.take();
        self.waiter.wake();
    }
}
