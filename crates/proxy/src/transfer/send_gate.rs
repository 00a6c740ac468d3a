//! Whether the socket of an HTTP/2 connection takes what is written to it. While it does not, small pieces wait before the
//! library gets them: it holds each for itself, with many times the memory of its bytes, and counts its bytes alone.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, Waker};

use super::gather::SMALL;

/// The state of a socket, which whoever writes to it tells.
#[derive(Default)]
pub(crate) struct SendGate {
    is_shut: Cell<bool>,
    waiting: Cell<Vec<Waker>>,
}

impl SendGate {
    /// Records the result of a write.
    pub(crate) fn wrote<T>(&self, written: &Poll<io::Result<T>>) {
        if written.is_pending() {
            self.is_shut.set(true);
        } else if self.is_shut.take() {
            for waker in self.waiting.take() {
                waker.wake();
            }
        }
    }

    /// Ready when a piece of this length may be given to the library. One that is not small always may.
    pub(super) fn poll_open(&self, length: usize, cx: &Context<'_>) -> Poll<()> {
        if length >= SMALL || !self.is_shut.get() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.take();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        self.waiting.set(waiting);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn small_pieces_wait_while_the_socket_takes_nothing() {
        let (gate, woken) = (SendGate::default(), Arc::new(Counted::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let is_open = |length| {
            gate.poll_open(length, &Context::from_waker(&waker))
                .is_ready()
        };
        assert!(is_open(1));
        gate.wrote(&Poll::<io::Result<()>>::Pending);
        assert!(!is_open(1) && !is_open(SMALL - 1) && is_open(SMALL));
        gate.wrote(&Poll::<io::Result<()>>::Pending);
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        gate.wrote(&Poll::Ready(Ok(())));
        gate.wrote(&Poll::Ready(Ok(())));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(is_open(1));
    }
}
