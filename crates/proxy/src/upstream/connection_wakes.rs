//! What wakes the task of an upstream connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Wake, Waker};

use crate::task::WokenTask;

/// The waker of a connection, which counts how often it was woken, and can hold that back.
#[derive(Default)]
pub(super) struct ConnectionWakes {
    count: AtomicU32,
    is_held: AtomicBool,
    task: WokenTask,
}

/// The task is not woken while this exists, and after it if it was to be woken meanwhile.
pub(super) struct HeldWakes<'a> {
    wakes: &'a ConnectionWakes,
    /// How often the connection had been woken when this began, or what was to come of it was forgotten.
    since: u32,
}

impl ConnectionWakes {
    /// Names the task that is woken.
    pub(super) fn set_task(&self, task: &Waker) {
        self.task.set(task);
    }

    /// How often the connection was woken, by whomever.
    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn hold(&self) -> HeldWakes<'_> {
        self.is_held.store(true, Ordering::Release);
        HeldWakes {
            wakes: self,
            since: self.count(),
        }
    }

    pub(super) fn wake_task(&self) {
        self.task.wake();
    }
}

impl HeldWakes<'_> {
    /// Forgets that the task was to be woken.
    pub(super) fn forget(mut self) {
        self.since = self.wakes.count();
    }
}

impl Drop for HeldWakes<'_> {
    fn drop(&mut self) {
        self.wakes.is_held.store(false, Ordering::Release);
        if self.wakes.count() != self.since {
            self.wakes.wake_task();
        }
    }
}

impl Wake for ConnectionWakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.count.fetch_add(1, Ordering::AcqRel);
        if !self.is_held.load(Ordering::Acquire) {
            self.wake_task();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Task(AtomicU32);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_is_held_back_is_made_up_for_unless_it_is_forgotten() {
        let (task, wakes) = (
            Arc::new(Task::default()),
            Arc::new(ConnectionWakes::default()),
        );
        let waker = Waker::from(Arc::clone(&wakes));
        wakes.set_task(&Waker::from(Arc::clone(&task)));
        let woken = || task.0.load(Ordering::Relaxed);
        waker.wake_by_ref();
        assert_eq!(woken(), 1);
        let held = wakes.hold();
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(woken(), 1);
        drop(held);
        assert_eq!(woken(), 2);
        let held = wakes.hold();
        waker.wake_by_ref();
        held.forget();
        assert_eq!(woken(), 2);
        // Nothing is owed when nobody was woken.
        drop(wakes.hold());
        assert_eq!(woken(), 2);
        waker.wake_by_ref();
        assert_eq!((woken(), wakes.count()), (3, 5));
    }
}
