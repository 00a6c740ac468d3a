//! State that a fake's thread writes and a test reads or waits for.

use std::panic;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task;

/// How long a test waits for what it expects before it fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A value under a lock, with a bell that rings at each change.
#[derive(Debug)]
pub(crate) struct Board<T> {
    value: Mutex<T>,
    changed: Condvar,
    notify: Notify,
}

impl<T> Board<T> {
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

    /// Blocks until `done`; panics with what `missing` says when the deadline passes.
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

    /// Completes when `done`, with no deadline: for a fake's own thread.
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

/// Runs a blocking wait without blocking the caller's runtime; a panic in it is the caller's.
///
/// The deadline is of the real clock even where tokio's is paused.
pub(crate) async fn unblocked(wait: impl FnOnce() + Send + 'static) {
    if let Err(error) = task::spawn_blocking(wait).await {
        match error.try_into_panic() {
            Ok(cause) => panic::resume_unwind(cause),
            Err(error) => panic!("the wait was cancelled: {error}"),
        }
    }
}
