//! An HTTP/2 stream of a client: how it is answered, and how long its client may read nothing of the response.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::SendStream;
use h2::server::SendResponse;
use http::{HeaderMap, Response, StatusCode};
use tokio::time::{Sleep, sleep_until};

use crate::clock;
use crate::transfer::StreamSender;

/// One HTTP/2 stream of a client, with its send timeout. The request handler limits the time until the response head, and
/// the bodies limit the time between two frames of the upstream; this limits the time in which the client reads nothing.
#[derive(Default)]
pub(crate) struct StreamWatch {
    /// Absent once the head of the response has been sent.
    responder: RefCell<Option<SendResponse<Bytes>>>,
    /// The own direction of the tunnel that the stream has become.
    tunnel: RefCell<Option<StreamSender>>,
    idle_timeout: Duration,
    /// When the frame became ready that waits to be sent.
    blocked: Cell<Option<Instant>>,
    /// Deadline for the whole exchange, if it has one.
    deadline: Cell<Option<Instant>>,
    /// Whether the client read nothing for the idle timeout.
    stalled: Cell<bool>,
}

impl StreamWatch {
    /// Creates the watch of a stream whose client may read nothing for `idle_timeout`.
    pub(crate) fn new(idle_timeout: Duration, responder: SendResponse<Bytes>) -> Rc<Self> {
        Rc::new(Self {
            responder: RefCell::new(Some(responder)),
            idle_timeout,
            ..Self::default()
        })
    }

    /// Sends the head of the response.
    ///
    /// # Errors
    /// If the client has reset the stream, or the connection has ended.
    pub(crate) fn respond(
        &self,
        head: Response<()>,
        is_end: bool,
    ) -> Result<SendStream<Bytes>, h2::Error> {
        let responder = self.responder.take();
        let mut responder = responder.ok_or(h2::Reason::INTERNAL_ERROR)?;
        responder.send_response(head, is_end)
    }

    /// Sends an interim response, if the stream is still there and has no response yet.
    pub(crate) fn inform(&self, status: StatusCode, headers: HeaderMap) {
        if let Some(responder) = &mut *self.responder.borrow_mut() {
            let mut head = Response::new(());
            *head.status_mut() = status;
            *head.headers_mut() = headers;
            // A stream that is gone needs to know nothing.
            let _ = responder.send_informational(head);
        }
    }

    /// Ready when the client has reset the stream, or the connection has ended, before the response.
    pub(crate) fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.responder.borrow_mut() {
            Some(responder) => responder.poll_reset(cx).map(drop),
            None => Poll::Pending,
        }
    }

    /// Records that the stream has become a tunnel.
    pub(crate) fn becomes_tunnel(&self, sender: StreamSender) {
        self.tunnel.replace(Some(sender));
    }

    /// Records that a frame of the response is ready to be sent.
    pub(crate) fn frame_ready(&self) {
        self.blocked.set(Some(clock::now()));
    }

    /// Records that the previous frame was sent, as the next one is polled for.
    pub(crate) fn frame_polled(&self) {
        self.blocked.set(None);
    }

    /// Sets the deadline for the whole exchange, which holds even while the client reads nothing.
    pub(crate) fn must_end(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
    }

    /// Whether the client read nothing for the idle timeout.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.get()
    }

    /// Completes when nothing more can be sent on the stream that became a tunnel; never, if it did not.
    pub(crate) async fn closed(&self) {
        let sender = self.tunnel.borrow().clone();
        match sender {
            Some(sender) => sender.closed().await,
            None => std::future::pending().await,
        }
    }

    /// When the stream times out if nothing changes.
    fn end(&self) -> Option<Instant> {
        let stalled = self.blocked.get()? + self.idle_timeout;
        let deadline = self.deadline.get();
        Some(deadline.map_or(stalled, |deadline| deadline.min(stalled)))
    }

    /// Ready when the stream has timed out.
    fn poll(&self, timer: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(end) = self.end() else {
                return Poll::Pending;
            };
            if clock::now() >= end {
                self.stalled.set(true);
                return Poll::Ready(());
            }
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(end.into())));
            if timer.is_elapsed() || timer.deadline() > end.into() {
                timer.as_mut().reset(end.into());
            }
            ready!(timer.as_mut().poll(cx));
        }
    }
}

/// Runs the future that serves a stream. When the stream times out, dropping the future resets it.
pub(crate) async fn watched(future: impl Future<Output = ()>, stream: Rc<StreamWatch>) {
    let mut future = pin!(future);
    let mut timer = None;
    poll_fn(|cx| {
        if future.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        stream.poll(&mut timer, cx)
    })
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SILENCE: Duration = Duration::from_secs(60);

    fn watch() -> Rc<StreamWatch> {
        Rc::new(StreamWatch {
            idle_timeout: SILENCE,
            ..StreamWatch::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_loses_its_stream() {
        let stream = watch();
        let begin = clock::now();
        stream.frame_ready();
        watched(std::future::pending(), Rc::clone(&stream)).await;
        assert_eq!(clock::now() - begin, SILENCE);
        assert!(stream.is_stalled());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_slowly_keeps_it() {
        let stream = watch();
        let begin = clock::now();
        let client = async {
            for _ in 0..5 {
                stream.frame_ready();
                advance(SILENCE / 2).await;
                stream.frame_polled();
            }
        };
        watched(client, Rc::clone(&stream)).await;
        assert_eq!(clock::now() - begin, SILENCE * 5 / 2);
        assert!(!stream.is_stalled());
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_it_before() {
        let stream = watch();
        let begin = clock::now();
        stream.frame_ready();
        stream.must_end(begin + SILENCE / 4);
        watched(std::future::pending(), Rc::clone(&stream)).await;
        assert_eq!(clock::now() - begin, SILENCE / 4);
    }
}
