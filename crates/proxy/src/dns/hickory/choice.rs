//! Which server is asked first: what is known of each, and what follows from it.
//!
//! Pure: the time is an argument, and nobody is asked here.

use std::time::{Duration, Instant};

/// Bounds of how long a server is given before the next is asked as well.
const HEAD_START: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// The same for a server whose response time is not known yet.
const UNMEASURED_HEAD_START: Duration = Duration::from_millis(250);
/// A server that needs so many times its usual time is taken to be in trouble.
const PATIENCE: u32 = 4;
/// How long a measured response time is relied upon.
const FRESH: Duration = Duration::from_secs(30);
/// Bounds of how long a server that failed is left alone: doubled each time.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The weight of a new response time is one in so many.
const SMOOTHING: u32 = 4;

/// In what order servers that are well are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The fastest first: they are said to be equals.
    Fastest,
    /// As they are given, because the first may know names that the others do not. It takes several failures in a row
    /// to put one behind.
    AsGiven,
}

/// What is known of all servers.
#[derive(Debug)]
pub(super) struct Choice {
    order: Order,
    /// A fair share of the time for a query: no head start is longer.
    share: Duration,
    known: Vec<Known>,
}

/// What is known of one server.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The smoothed response time.
    smoothed: Option<Duration>,
    /// When it was last measured, or a measurement last begun.
    measured: Option<Instant>,
    /// Failures since the last answer.
    failures: u32,
    /// Set while it goes behind the others: when it is tried again.
    retry: Option<Instant>,
}

/// Whom to ask for one name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// All servers in their turn, by index.
    pub(super) order: Vec<usize>,
    /// One to be asked beside the first, whose answer nobody waits for: to learn whether it is well, and how fast.
    pub(super) probe: Option<usize>,
}

impl Choice {
    pub(super) fn new(order: Order, count: usize, query_timeout: Duration) -> Self {
        let divisor = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        Self {
            order,
            share: query_timeout / divisor,
            known: vec![Known::default(); count],
        }
    }

    /// Whom to ask now. The probe, if there is one, has to be made.
    pub(super) fn plan(&mut self, now: Instant) -> Plan {
        let order = self.order();
        let probe = order
            .iter()
            .skip(1)
            .copied()
            .find(|&index| self.is_due(index, now));
        if let Some(known) = probe.and_then(|index| self.known.get_mut(index)) {
            known.measured = Some(now);
            if known.retry.is_some() {
                // Until it has answered, this counts as one failure more.
                known.fail(self.order, now);
            }
        }
        Plan { order, probe }
    }

    /// All servers in their turn.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.known.len()).collect();
        order.sort_by_key(|&index| {
            let known = &self.known[index];
            let smoothed = match self.order {
                Order::Fastest => known.smoothed.unwrap_or(Duration::MAX),
                Order::AsGiven => Duration::ZERO,
            };
            // One that is left alone goes behind all that are not.
            (known.retry, smoothed, index)
        });
        order
    }

    /// How long this server is given before the next is asked as well.
    pub(super) fn head_start(&self, index: usize) -> Duration {
        let known = &self.known[index];
        let usual = match (known.retry, self.order, known.smoothed) {
            (Some(_), _, _) => HEAD_START.0,
            (None, Order::AsGiven, _) => HEAD_START.1,
            (None, Order::Fastest, None) => UNMEASURED_HEAD_START,
            (None, Order::Fastest, Some(smoothed)) => {
                (smoothed * PATIENCE).clamp(HEAD_START.0, HEAD_START.1)
            }
        };
        usual.min(self.share)
    }

    /// The server answered, whatever the answer.
    pub(super) fn answered(&mut self, index: usize, took: Duration, now: Instant) {
        let known = &mut self.known[index];
        known.smoothed = Some(match known.smoothed {
            None => took,
            Some(before) => (before * (SMOOTHING - 1) + took) / SMOOTHING,
        });
        known.measured = Some(now);
        known.failures = 0;
        known.retry = None;
    }

    /// The server failed where another answered. What comes while it is left alone was asked before, and makes it no
    /// worse.
    pub(super) fn failed(&mut self, index: usize, now: Instant) {
        let known = &mut self.known[index];
        if known.retry.is_none_or(|retry| retry <= now) {
            known.fail(self.order, now);
        }
    }

    /// Whether it is time to find out how this server does.
    fn is_due(&self, index: usize, now: Instant) -> bool {
        let known = &self.known[index];
        match known.retry {
            Some(retry) => retry <= now,
            None => {
                self.order == Order::Fastest
                    && known.measured.is_none_or(|then| now >= then + FRESH)
            }
        }
    }
}

impl Known {
    fn fail(&mut self, order: Order, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if let Some(excess) = self.failures.checked_sub(order.needed()) {
            let doublings = excess.min(BACKOFF.1.as_secs().ilog2() + 1);
            let backoff = (BACKOFF.0 * 2_u32.pow(doublings)).min(BACKOFF.1);
            self.retry = Some(now + backoff);
        }
    }
}

impl Order {
    /// How many failures in a row put a server behind the others.
    const fn needed(self) -> u32 {
        match self {
            Self::Fastest => 1,
            Self::AsGiven => 3,
        }
    }
}

#[cfg(test)]
mod tests;
