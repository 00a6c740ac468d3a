//! hyper's part of an HTTP/1.1 connection, and who drives it.
//!
//! A connection has a task of its own. While one request is on it that has no body, the task of that request drives it
//! instead: it waits for nothing else, and two tasks would wake each other for each head and each piece of a body. A
//! request with a body does not, because its body has to go on while its client does not read the response.

use std::cell::{Cell, RefCell};
use std::future::Future as _;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::client::conn::http1::Connection;
use hyper_util::rt::TokioIo;

use super::connection_permit::ConnectionPermit;
use super::connection_wakes::ConnectionWakes;
use super::deferred_write_errors::DeferredWriteErrors;
use super::interim::InterimReader;
use super::quiet_reader::QuietReader;
use super::request_body::RequestBody;
use super::stream::UpstreamStream;

/// How often hyper may go on at one wake-up of a request's task before other tasks have their turn.
const TURNS: usize = 4;

/// hyper's part of a connection. A task drives it, and the pool may take it apart.
pub(super) struct DrivenConnection {
    hyper: RefCell<Option<HyperConnection>>,
    permit: Cell<Option<ConnectionPermit>>,
    wakes: Arc<ConnectionWakes>,
    /// Of `wakes`; hyper knows no other.
    waker: Waker,
    /// The waker that `wakes` has of the request.
    leader: RefCell<Waker>,
}

pub(super) type HyperConnection =
    Connection<TokioIo<InterimReader<QuietReader<DeferredWriteErrors<UpstreamStream>>>>, RequestBody>;

/// A connection that the task of a request drives. The connection's own task takes over when this is dropped.
pub(super) struct Lead {
    driven: Rc<DrivenConnection>,
    /// Whether hyper waits for a next request, so that there is nothing to take over.
    is_at_rest: bool,
}

impl DrivenConnection {
    /// hyper reads a stream that knows the `wakes`.
    pub(super) fn new(
        hyper: HyperConnection,
        wakes: Arc<ConnectionWakes>,
        permit: ConnectionPermit,
    ) -> Self {
        Self {
            hyper: RefCell::new(Some(hyper)),
            permit: Cell::new(Some(permit)),
            waker: Waker::from(Arc::clone(&wakes)),
            wakes,
            leader: RefCell::new(Waker::noop().clone()),
        }
    }

    /// Drives the connection by its own task, unless a request does. Ready when hyper is done with it, or it was taken apart.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Option<hyper::Result<()>>> {
        self.wakes.set_owner(cx.waker());
        if self.wakes.is_led() && self.hyper.borrow().is_some() {
            return Poll::Pending;
        }
        self.go_on()
    }

    /// Lets hyper do what it can do now. Ready when it is done with the connection, or has none any more.
    fn go_on(&self) -> Poll<Option<hyper::Result<()>>> {
        let mut hyper = self.hyper.borrow_mut();
        let Some(hyper) = hyper.as_mut() else {
            return Poll::Ready(None);
        };
        // Before: a wake-up meanwhile is for the next time.
        self.wakes.forget();
        let mut cx = Context::from_waker(&self.waker);
        Pin::new(hyper).poll(&mut cx).map(Some)
    }

    /// Closes the connection, which fails the request on it if its response has not come.
    fn close(&self) {
        self.hyper.take();
        self.permit.take();
        self.wakes.wake_owner();
    }

    /// The stream, what was read of it beyond responses, and the permit; `None` if they were taken before.
    pub(super) fn take_apart(&self) -> Option<(UpstreamStream, Bytes, ConnectionPermit)> {
        let hyper = self.hyper.take()?;
        let permit = self.permit.take()?;
        // There is nothing left for the task to do.
        self.wakes.wake_owner();
        let parts = hyper.into_parts();
        let (stream, unread) = parts.io.into_inner().into_parts();
        let read = Bytes::from([parts.read_buf, unread].concat());
        Some((stream.into_inner().into_inner(), read, permit))
    }

    fn set_leader(&self, task: &Waker) {
        let mut leader = self.leader.borrow_mut();
        if !leader.will_wake(task) {
            leader.clone_from(task);
            self.wakes.set_leader(task);
        }
    }
}

impl Lead {
    /// Takes the lead of a connection; `None` if it has ended.
    pub(super) fn of(driven: &Weak<DrivenConnection>) -> Option<Self> {
        let driven = driven.upgrade()?;
        // Its own task may not have begun.
        driven.wakes.set_woken();
        driven.wakes.begin_lead();
        Some(Self {
            driven,
            is_at_rest: false,
        })
    }

    /// Polls what comes over the connection, which goes on as far as needed.
    ///
    /// `poll` is given the connection's waker: hyper itself is what it waits for, and waking the task that is running to
    /// tell it so would be in vain.
    pub(super) fn poll<T>(
        &self,
        cx: &Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let driven = &*self.driven;
        driven.set_leader(cx.waker());
        let _held = driven.wakes.hold();
        for _ in 0..TURNS {
            if driven.wakes.is_woken() && driven.go_on().is_ready() {
                driven.close();
            }
            let polled = poll(&mut Context::from_waker(&driven.waker));
            if polled.is_ready() || !driven.wakes.is_owed() {
                return polled;
            }
            driven.wakes.set_woken();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Gives the connection back, which waits for a next request.
    pub(super) fn rest(mut self) {
        self.is_at_rest = true;
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.driven.wakes.end_lead();
        if !self.is_at_rest {
            self.driven.wakes.wake_owner();
        }
    }
}
