//! State that the thread of a fake server writes, and that a test reads or waits for.

use std::panic;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task;

/// How long a test waits for what it expects before it fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A value under a lock, with a notification at each change.
#[derive(Debug)]
pub(crate) struct WatchedValue<T> {
    value: Mutex<T>,
    changed: Condvar,
    notify: Notify,
}

impl<T> WatchedValue<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
            notify: Notify::new(),
        }
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.lock())
    }

    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        self.notify.notify_waiters();
        result
    }

    /// Blocks until `done` holds. Panics with the message of `missing` when the deadline passes.
    pub(crate) fn wait(&self, done: impl Fn(&T) -> bool, missing: impl FnOnce(&T) -> String) {
        let (value, timeout) = self
            .changed
            .wait_timeout_while(self.lock(), DEADLINE, |value| !done(value))
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            let message = missing(&value);
            drop(value);
            panic!("waited {DEADLINE:?} in vain: {message}");
        }
    }

    /// Completes when `done` holds. There is no deadline: the thread of a fake server uses it.
    pub(crate) async fn reached(&self, done: impl Fn(&T) -> bool) {
        loop {
            let changed = self.notify.notified();
            if self.read(&done) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a blocking wait without blocking the caller's runtime. A panic in `wait` becomes a panic of the caller.
///
/// Deadlines are measured by the real clock even where tokio's clock is paused.
pub(crate) async fn unblocked(wait: impl FnOnce() + Send + 'static) {
    if let Err(error) = task::spawn_blocking(wait).await {
        match error.try_into_panic() {
            Ok(cause) => panic::resume_unwind(cause),
            Err(error) => panic!("the wait was cancelled: {error}"),
        }
    }
}
