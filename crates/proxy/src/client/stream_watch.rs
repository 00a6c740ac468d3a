//! How long a client may take nothing of what an HTTP/2 stream has for it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{Sleep, sleep_until};

use crate::clock;

/// The state of one HTTP/2 stream towards its client. The handler of the request bounds the time until the response's head,
/// and the bodies bound the time between two frames of the upstream; this bounds the time that the client may take nothing.
#[derive(Default)]
pub(crate) struct StreamWatch {
    idle_timeout: Duration,
    /// Since when a frame of the response has been waiting to be sent.
    blocked: Cell<Option<Instant>>,
    /// When the exchange must be over, if it has a deadline.
    deadline: Cell<Option<Instant>>,
    /// The client took nothing for the idle timeout.
    stalled: Cell<bool>,
    /// Notified when nothing more can be sent to the client.
    closed: Notify,
}

impl StreamWatch {
    /// Begins to watch a stream whose client may take nothing for `idle_timeout`.
    pub(crate) fn new(idle_timeout: Duration) -> Rc<Self> {
        Rc::new(Self {
            idle_timeout,
            ..Self::default()
        })
    }

    /// A frame of the response is ready to be sent.
    pub(crate) fn frame_ready(&self) {
        self.blocked.set(Some(clock::now()));
    }

    /// The frame before was sent, and the next one is polled for.
    pub(crate) fn frame_polled(&self) {
        self.blocked.set(None);
    }

    /// The exchange must be over by then, even if the client takes nothing.
    pub(crate) fn must_end(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
    }

    /// Whether the client took nothing for too long.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.get()
    }

    /// Nothing more can be sent to the client: the task that writes to the stream has ended.
    pub(crate) fn close(&self) {
        self.closed.notify_one();
    }

    /// Ends when the client takes nothing more from the tunnel that the stream became: it ended or reset the stream.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// When the client has taken too long, if nothing changes.
    fn end(&self) -> Option<Instant> {
        let stalled = self.blocked.get()? + self.idle_timeout;
        let deadline = self.deadline.get();
        Some(deadline.map_or(stalled, |deadline| deadline.min(stalled)))
    }

    /// Ready when the client has taken too long.
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

/// Runs the future that serves a stream. A client that takes nothing for too long has its stream reset, by dropping the
/// future.
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
