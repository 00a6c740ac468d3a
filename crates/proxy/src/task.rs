//! Tasks: the one way to start one on a worker, and what becomes of one that panics.
//!
//! A panic is a defect. One in the task of a connection or a request ends that task alone; work that everything else
//! depends on begins anew.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::sleep;

/// Pause before work that panicked begins anew, so that a defect that recurs at once does not keep a core busy.
const RESTART_DELAY: Duration = Duration::from_millis(100);

/// Bytes that a task's future may have. Whoever passes it on copies all of it, and so does the runtime when the task begins and
/// when it ends.
const LARGEST: usize = 2048;

/// Starts `task` on the worker's own thread. It ends when the worker does, at the latest. What is larger than a task may be
/// does not compile: it is to be boxed where it is made.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that spawns"
)]
pub(crate) fn spawn<F: Future<Output = ()> + 'static>(task: F) {
    const { assert!(size_of::<F>() <= LARGEST, "box the future where it is made") };
    tokio::task::spawn_local(task);
}

/// The task to which a waker of another kind passes on what it is told.
pub(crate) struct WokenTask(Mutex<Waker>);

impl Default for WokenTask {
    fn default() -> Self {
        Self(Mutex::new(Waker::noop().clone()))
    }
}

impl WokenTask {
    pub(crate) fn set(&self, task: &Waker) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone_from(task);
    }

    pub(crate) fn wake(&self) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        task.wake_by_ref();
    }
}

/// The size in bytes of what a function makes of its arguments, which each of its tasks holds.
#[cfg(test)]
pub(crate) fn size_of_future<A, F>(_: impl FnOnce(A) -> F) -> usize {
    size_of::<F>()
}

/// Does `work`, and begins it anew when it panics. `name` says in the log what it is.
///
/// What outlives one run, such as a listening socket, belongs to the caller and is lent to `work`.
pub(crate) async fn restarting<T>(name: &str, mut work: impl AsyncFnMut() -> T) -> T {
    loop {
        match unless_panicking(work()).await {
            Some(done) => return done,
            None => tracing::error!("{name} ended by a defect and begins anew"),
        }
        sleep(RESTART_DELAY).await;
    }
}

/// The output of a future; `None` if it panics.
pub async fn unless_panicking<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        // The future is not polled again after a panic. What it shares with others is locks and counters that are whole
        // at every step.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_panics_begins_anew_and_keeps_what_it_was_lent() {
        let mut lent = Vec::new();
        let done = restarting("the test", async || {
            lent.push(lent.len());
            tokio::task::yield_now().await;
            assert!(lent.len() > 2, "panics twice");
            lent.len()
        });
        assert_eq!(done.await, 3);
        assert_eq!(lent, [0, 1, 2]);
    }
}
