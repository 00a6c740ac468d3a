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

/// What the queue of a worker may be like all the time.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// How long a task may wait for its turn.
    pub time: Duration,
    /// How many requests and connections have to begin meanwhile, so that it is they who wait for each other. A worker that
    /// waits for a processor with little to do has no less to do when it refuses that.
    pub requests: u32,
}

/// What a worker knows of its own load.
pub(crate) struct Overload {
    /// `None` if nothing is ever refused.
    rule: Option<RefCell<ControlledDelay>>,
    /// How many have to wait for each other.
    requests: u32,
    /// How many have begun while the probe waits.
    begun: Cell<u32>,
    /// Since when the probe waits for its turn, if it does.
    waits_since: Cell<Option<Instant>>,
    /// When the last probe had its turn, and how long it had waited.
    last: Cell<Option<(Instant, Duration)>>,
    probe: Notify,
}

impl Overload {
    /// Without limits nothing is refused.
    pub(crate) fn new(limits: Option<QueueLimits>) -> Self {
        Self {
            rule: limits.map(|limits| RefCell::new(ControlledDelay::new(limits.time))),
            requests: limits.map_or(0, |limits| limits.requests),
            begun: Cell::default(),
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

    /// How long a task waits for its turn, as far as is known, when one more has begun.
    fn queue_time(&self, now: Instant) -> Duration {
        self.begun.set(self.begun.get().saturating_add(1));
        let age = |at: Instant| now.saturating_duration_since(at);
        let last = self.last.get();
        let last = last.filter(|(at, _)| age(*at) < ControlledDelay::INTERVAL);
        let known = last.map_or(Duration::ZERO, |(_, waited)| waited);
        if let Some(since) = self.waits_since.get() {
            return known.max(self.waited(age(since)));
        }
        if last.is_none_or(|(at, _)| age(at) >= PROBE_INTERVAL) {
            self.begun.set(0);
            self.waits_since.set(Some(now));
            self.probe.notify_one();
        }
        known
    }

    /// How long requests have waited for each other, if a probe has waited so long for whatever reason.
    fn waited(&self, probe: Duration) -> Duration {
        if self.begun.get() < self.requests {
            return Duration::ZERO;
        }
        probe
    }

    /// Lets the probe have its turns, for as long as the worker runs.
    pub(crate) async fn measure(&self) {
        loop {
            self.probe.notified().await;
            if let Some(since) = self.waits_since.take() {
                let now = clock::now();
                self.last.set(Some((now, self.waited(now - since))));
            }
        }
    }
}

#[cfg(test)]
mod tests;
