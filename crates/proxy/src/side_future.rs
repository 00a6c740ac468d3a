//! Futures that run beside the main one of a task, and cost nothing until they are woken themselves.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::task::WokenTask;

/// A future that is polled when it was woken itself, and not whenever its task is: a timer or a signal beside a connection
/// that is busy.
pub(crate) struct SideFuture<'a, F> {
    future: Pin<&'a mut F>,
    state: Arc<SideWaker>,
    /// Wakes the future.
    waker: Waker,
    /// The waker of the task, as `state` has it.
    task: Waker,
}

struct SideWaker {
    is_woken: AtomicBool,
    task: WokenTask,
}

impl<'a, F: Future> SideFuture<'a, F> {
    pub(crate) fn new(future: Pin<&'a mut F>) -> Self {
        let state = Arc::new(SideWaker {
            // It has to be polled once, so that it can be woken.
            is_woken: AtomicBool::new(true),
            task: WokenTask::default(),
        });
        Self {
            future,
            waker: Waker::from(Arc::clone(&state)),
            state,
            task: Waker::noop().clone(),
        }
    }

    /// Polls the future if it was woken. Once it is ready, it must not be polled again.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<F::Output> {
        if !self.task.will_wake(cx.waker()) {
            self.task.clone_from(cx.waker());
            self.state.task.set(cx.waker());
        }
        if !self.state.is_woken.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // Before it is polled: a wake-up meanwhile is for the next time.
        self.state.is_woken.store(false, Ordering::Release);
        self.future
            .as_mut()
            .poll(&mut Context::from_waker(&self.waker))
    }
}

impl Wake for SideWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn it_is_polled_once_and_then_when_it_is_woken() {
        let (signal, polls) = (Notify::new(), Cell::new(0));
        let mut notified = pin!(signal.notified());
        let future = pin!(poll_fn(|cx| {
            polls.set(polls.get() + 1);
            notified.as_mut().poll(cx)
        }));
        let mut side = SideFuture::new(future);
        for _ in 0..3 {
            let pending = poll_fn(|cx| Poll::Ready(side.poll(cx).is_pending()));
            assert!(pending.await);
        }
        assert_eq!(polls.get(), 1);
        signal.notify_one();
        // The task is woken by way of the future.
        poll_fn(|cx| side.poll(cx)).await;
        assert_eq!(polls.get(), 2);
    }

    #[tokio::test]
    async fn another_task_that_polls_it_is_woken() {
        let signal = Arc::new(Notify::new());
        let waits = Arc::clone(&signal);
        let waiting = async move {
            let mut notified = pin!(waits.notified());
            let mut side = SideFuture::new(notified.as_mut());
            // First with a waker that wakes nobody.
            let first = side.poll(&Context::from_waker(Waker::noop()));
            assert!(first.is_pending());
            poll_fn(|cx| side.poll(cx)).await;
        };
        let wakes = async {
            tokio::task::yield_now().await;
            signal.notify_one();
        };
        tokio::join!(waiting, wakes);
    }
}
