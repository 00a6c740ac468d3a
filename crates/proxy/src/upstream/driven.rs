//! hyper's part of an HTTP/1.1 connection, which a task drives.

use std::cell::{Cell, RefCell};
use std::future::Future as _;
use std::pin::Pin;
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

/// hyper's part of a connection. A task drives it, and the pool may take it apart.
pub(super) struct DrivenConnection {
    hyper: RefCell<Option<HyperConnection>>,
    permit: Cell<Option<ConnectionPermit>>,
    wakes: Arc<ConnectionWakes>,
    /// Of `wakes`; hyper knows no other.
    waker: Waker,
    /// The waker of the task, as `wakes` has it.
    task: RefCell<Waker>,
}

type HyperConnection = Connection<
    TokioIo<InterimReader<QuietReader<DeferredWriteErrors<UpstreamStream>>>>,
    RequestBody,
>;

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
            task: RefCell::new(Waker::noop().clone()),
        }
    }

    /// Ready when hyper is done with the connection, or it was taken apart.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Option<hyper::Result<()>>> {
        let mut hyper = self.hyper.borrow_mut();
        let Some(hyper) = hyper.as_mut() else {
            return Poll::Ready(None);
        };
        let mut task = self.task.borrow_mut();
        if !task.will_wake(cx.waker()) {
            task.clone_from(cx.waker());
            self.wakes.set_task(cx.waker());
        }
        let mut cx = Context::from_waker(&self.waker);
        Pin::new(hyper).poll(&mut cx).map(Some)
    }

    /// The stream, what was read of it beyond responses, and the permit; `None` if they were taken before.
    pub(super) fn take_apart(&self) -> Option<(UpstreamStream, Bytes, ConnectionPermit)> {
        let hyper = self.hyper.take()?;
        let permit = self.permit.take()?;
        // There is nothing left for the task to do.
        self.wakes.wake_task();
        let parts = hyper.into_parts();
        let (stream, unread) = parts.io.into_inner().into_parts();
        let read = Bytes::from([parts.read_buf, unread].concat());
        Some((stream.into_inner().into_inner(), read, permit))
    }
}
