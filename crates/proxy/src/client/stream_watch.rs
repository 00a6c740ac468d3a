//! The send timeout of an HTTP/2 stream: how long its client may read nothing of the response.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{Sleep, sleep_until};

use crate::clock;

/// The send timeout of one HTTP/2 stream. The request handler limits the time until the response head, and the bodies
/// limit the time between two frames of the upstream; this limits the time in which the client reads nothing.
#[derive(Default)]
pub(crate) struct StreamWatch {
    idle_timeout: Duration,
    /// When the frame became ready that waits to be sent.
    blocked: Cell<Option<Instant>>,
    /// Deadline for the whole exchange, if it has one.
    deadline: Cell<Option<Instant>>,
    /// Whether the client read nothing for the idle timeout.
    stalled: Cell<bool>,
    /// Notified when nothing more can be sent to the client.
    closed: Notify,
}

impl StreamWatch {
    /// Creates the watch of a stream whose client may read nothing for `idle_timeout`.
    pub(crate) fn new(idle_timeout: Duration) -> Rc<Self> {
        Rc::new(Self {
            idle_timeout,
            ..Self::default()
        })
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

    /// Records that nothing more can be sent to the client, because the task that writes to the stream has ended.
    pub(crate) fn close(&self) {
        self.closed.notify_one();
    }

    /// Completes when the client has ended or reset the stream that became a tunnel.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
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
        StreamWatch::new(SILENCE)
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
