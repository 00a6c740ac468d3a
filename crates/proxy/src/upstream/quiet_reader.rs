//! A byte stream that is not asked again whether something has come, as long as nobody was woken.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::connection_wakes::ConnectionWakes;
use crate::stream::forward_writes;

/// A byte stream of which nothing is read until the connection was woken since the last time that nothing was there.
///
/// hyper tries to read wherever it could, some four times a request in vain, and each time through all layers of the
/// stream. Only the waker of the connection may poll this.
pub(super) struct QuietReader<S> {
    stream: S,
    wakes: Arc<ConnectionWakes>,
    /// How often the connection had been woken when nothing was there.
    quiet_since: Option<u32>,
}

impl<S> QuietReader<S> {
    pub(super) fn new(stream: S, wakes: Arc<ConnectionWakes>) -> Self {
        Self {
            stream,
            wakes,
            quiet_since: None,
        }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for QuietReader<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Before it is read: a wake-up meanwhile is for the next time.
        let wakes = Some(self.wakes.count());
        if self.quiet_since == wakes {
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.quiet_since = wakes.filter(|_| read.is_pending());
        read
    }
}

forward_writes!(QuietReader);

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::task::Waker;

    use super::*;

    /// A stream that never has anything, and counts how often it is asked.
    struct Silent(Rc<Cell<u32>>);

    impl AsyncRead for Silent {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.0.set(self.0.get() + 1);
            Poll::Pending
        }
    }

    #[test]
    fn it_is_asked_once_for_each_wake_up() {
        let (asked, wakes) = (Rc::new(Cell::new(0)), Arc::new(ConnectionWakes::default()));
        let waker = Waker::from(Arc::clone(&wakes));
        let mut reader = QuietReader::new(Silent(Rc::clone(&asked)), Arc::clone(&wakes));
        for woken in 1..4 {
            // Even if the task to wake runs already.
            let _held = (woken == 3).then(|| wakes.hold());
            for _ in 0..3 {
                let mut cx = Context::from_waker(&waker);
                let mut space = [0; 8];
                let read = Pin::new(&mut reader).poll_read(&mut cx, &mut ReadBuf::new(&mut space));
                assert!(read.is_pending());
                assert_eq!(asked.get(), woken);
            }
            waker.wake_by_ref();
        }
    }
}
