//! Overload: a worker whose queue of tasks is long takes no connections, and refuses what waits too long if it stays so.
//!
//! A worker runs its tasks in the order in which they became ready. How long that queue is shows how long a task takes to
//! come to its turn: a probe is put at the end of it now and then. What becomes of the times is
//! [controlled delay](controlled_delay).

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::clock;
use crate::refusal::Refusal;
use controlled_delay::ControlledDelay;

mod controlled_delay;

/// The pause between two probes of a worker that serves requests.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);

/// What a worker knows of its own load.
pub(crate) struct Overload {
    /// `None` if nothing is ever refused.
    rule: Option<RefCell<ControlledDelay>>,
    /// Since when the probe waits for its turn, if it does.
    waits_since: Cell<Option<Instant>>,
    /// When the last probe had its turn, and how long it had waited.
    last: Cell<Option<(Instant, Duration)>>,
    probe: Notify,
}

impl Overload {
    /// `max_queue_time` is how long tasks may wait for their turn all the time; `None` is for ever.
    pub(crate) fn new(max_queue_time: Option<Duration>) -> Self {
        Self {
            rule: max_queue_time.map(|target| RefCell::new(ControlledDelay::new(target))),
            waits_since: Cell::default(),
            last: Cell::default(),
            probe: Notify::new(),
        }
    }

    /// Lets a request that begins `now` in, unless it has waited too long.
    ///
    /// # Errors
    /// [`Refusal::Overload`].
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Refusal> {
        let Some(rule) = &self.rule else {
            return Ok(());
        };
        let waited = self.queue_time(now);
        if rule.borrow_mut().refuses(waited, now) {
            return Err(Refusal::Overload);
        }
        Ok(())
    }

    /// Whether connections should wait where they cost nothing, in the queue of their socket. Already a burst that is served
    /// in the end is served sooner without more of them.
    pub(crate) fn takes_no_connections(&self) -> bool {
        let Some(rule) = &self.rule else {
            return false;
        };
        self.queue_time(clock::now()) > rule.borrow().target()
    }

    /// How long a task waits for its turn, as far as is known.
    fn queue_time(&self, now: Instant) -> Duration {
        let last = self.last.get();
        let last =
            last.filter(|(at, _)| now.saturating_duration_since(*at) < ControlledDelay::INTERVAL);
        let known = last.map_or(Duration::ZERO, |(_, waited)| waited);
        match self.waits_since.get() {
            Some(since) => known.max(now.saturating_duration_since(since)),
            None => {
                let is_due = last.is_none_or(|(at, _)| now - at >= PROBE_INTERVAL);
                if is_due {
                    self.waits_since.set(Some(now));
                    self.probe.notify_one();
                }
                known
            }
        }
    }

    /// Lets the probe have its turns, for as long as the worker runs.
    pub(crate) async fn measure(&self) {
        loop {
            self.probe.notified().await;
            if let Some(since) = self.waits_since.take() {
                let now = clock::now();
                self.last.set(Some((now, now - since)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
