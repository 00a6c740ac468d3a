//! Whom an upstream connection wakes: its own task, or that of the request on it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The waker of a connection, which remembers that it was woken.
pub(super) struct ConnectionWakes {
    /// How often it was woken.
    count: AtomicU32,
    is_woken: AtomicBool,
    /// Whether the task to wake is running already.
    is_held: AtomicBool,
    /// Whether it was woken by that task, which need not go on before it waits for something.
    is_owed: AtomicBool,
    /// Whether a request leads.
    is_led: AtomicBool,
    tasks: Mutex<Tasks>,
}

struct Tasks {
    /// The connection's own task.
    owner: Waker,
    /// The task of the request that leads, or of the last one that did.
    leader: Waker,
}

/// No task is woken while this exists.
pub(super) struct HeldWakes<'a>(&'a ConnectionWakes);

impl Default for ConnectionWakes {
    fn default() -> Self {
        Self {
            count: AtomicU32::default(),
            is_woken: AtomicBool::default(),
            is_held: AtomicBool::default(),
            is_owed: AtomicBool::default(),
            is_led: AtomicBool::default(),
            tasks: Mutex::new(Tasks {
                owner: Waker::noop().clone(),
                leader: Waker::noop().clone(),
            }),
        }
    }
}

impl ConnectionWakes {
    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_owner(&self, task: &Waker) {
        self.tasks().owner.clone_from(task);
    }

    pub(super) fn set_leader(&self, task: &Waker) {
        self.tasks().leader.clone_from(task);
    }

    /// A request leads from now on. It is running, and goes on to wait.
    pub(super) fn begin_lead(&self) {
        self.is_held.store(true, Ordering::Release);
        self.is_led.store(true, Ordering::Release);
    }

    pub(super) fn end_lead(&self) {
        self.is_led.store(false, Ordering::Release);
        self.is_held.store(false, Ordering::Release);
    }

    pub(super) fn is_led(&self) -> bool {
        self.is_led.load(Ordering::Acquire)
    }

    /// How often the connection was woken, by whomever.
    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn is_woken(&self) -> bool {
        self.is_woken.load(Ordering::Acquire)
    }

    pub(super) fn set_woken(&self) {
        self.is_woken.store(true, Ordering::Release);
    }

    pub(super) fn is_owed(&self) -> bool {
        self.is_owed.load(Ordering::Acquire)
    }

    /// Forgets that it was woken.
    pub(super) fn forget(&self) {
        self.is_woken.store(false, Ordering::Release);
        self.is_owed.store(false, Ordering::Release);
    }

    pub(super) fn hold(&self) -> HeldWakes<'_> {
        self.is_held.store(true, Ordering::Release);
        HeldWakes(self)
    }

    /// Wakes the connection's own task, whoever leads.
    pub(super) fn wake_owner(&self) {
        self.tasks().owner.wake_by_ref();
    }
}

impl Drop for HeldWakes<'_> {
    fn drop(&mut self) {
        self.0.is_held.store(false, Ordering::Release);
    }
}

impl Wake for ConnectionWakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.count.fetch_add(1, Ordering::AcqRel);
        if self.is_held.load(Ordering::Acquire) {
            return self.is_owed.store(true, Ordering::Release);
        }
        self.set_woken();
        let tasks = self.tasks();
        let task = if self.is_led() {
            &tasks.leader
        } else {
            &tasks.owner
        };
        task.wake_by_ref();
    }
}
